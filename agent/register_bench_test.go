// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// BenchmarkRegister is a registrar on UDP whose UAs refresh every 40 seconds.
func BenchmarkRegister(b *testing.B) {
	const uas = 20_000
	contact := "Contact: <sip:u%d@%s>%s%s\r\n"
	flow := ";reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-00000000000a>\""
	for _, kind := range []struct{ name, ask, answer, params string }{
		{"plain", "", "", ""},
		{"outbound", "Supported: path, outbound\r\n", "Require: outbound\r\n", flow},
	} {
		b.Run(kind.name, func(b *testing.B) {
			var events [2 * uas]event.Event
			flow := script.New().UDP(here, there).Event(event.Data)
			for n := range uas {
				from := netip.AddrPortFrom(address(n/100).Addr(), uint16(5060+n%100))
				m := script.Msg{
					Method: "REGISTER", Via: "SIP/2.0/UDP " + from.String(), Branch: fmt.Sprint(n), Params: ";rport",
					CallID: fmt.Sprint("r", n), More: kind.ask + fmt.Sprintf(contact, n, from, kind.params, ""),
				}
				r := m.Reply(200)
				r.Params = fmt.Sprintf(";received=%s;rport=%d", from.Addr(), from.Port())
				r.More = kind.answer + fmt.Sprintf(contact, n, from, kind.params, ";expires=3600")
				for i, text := range []string{m.String(), r.String()} {
					e := flow
					e.Remote, e.Payload, e.Length, e.Direction = from, []byte(text), len(text), event.In+event.Direction(i)
					events[2*n+i] = e
				}
			}
			before := heapBytes()
			c, now := New(Config{FlowTimeout: time.Hour}), script.Start
			play := func(n int) {
				e := &events[n%len(events)]
				now = now.Add(time.Millisecond)
				e.Time = now
				c.Handle(e)
				if n%1000 == 0 {
					c.Tick(now)
				}
			}
			for n := range events {
				play(n)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				play(n)
				n++
			}
			b.ReportMetric(float64(heapBytes()-before)/uas, "B/UA")
			runtime.KeepAlive(c)
			runtime.KeepAlive(&events)
		})
	}
}
