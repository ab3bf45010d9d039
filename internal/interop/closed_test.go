// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
)

// towards is the newest connection that viaduct reports of a remote address.
func (l *lab) towards(remote netip.AddrPort) (found *report.Connection) {
	r := l.report()
	for i := range r.Connections {
		if r.Connections[i].Remote == remote.String() {
			found = &r.Connections[i]
		}
	}
	return found
}

// TestAsteriskClosed: what Asterisk makes of viaduct's gentle closes, of a
// connection that it opened and one that it accepted.
func TestAsteriskClosed(t *testing.T) {
	for i, tt := range []struct{ fact, transport string }{{"E1", "tcp"}, {"E2", "tls"}} {
		t.Run(tt.fact, func(t *testing.T) {
			t.Parallel()
			l := labAt(t, "closed"+tt.transport, netip.AddrFrom4([4]byte{192, 0, 2, byte(193 + i)}), netip.AddrFrom4([4]byte{192, 0, 2, byte(225 + i)}))
			p := l.registrar(true)
			p.listenTLS()
			a := l.asterisk("asterisk22", l.a, "", "", strings.ReplaceAll(l.registersAs(tt.transport, ""), "expiration=60", "expiration=3600"))
			f := p.registered().flow
			server := netip.AddrPortFrom(l.a.addr, 5060)
			g, _ := p.asked(server, "")
			var idle []float64
			for _, c := range []*flow{f, g} {
				end := p.await(90*time.Second, 1, "end", c.on(is(ended, aborted)))
				c.conn.Close()
				l.until(patience, func() string {
					r := l.far(c.remote)
					if c == g {
						r = l.towards(c.local)
					}
					if r == nil || r.Close == nil || r.Close.By != "viaduct" || *r.Close.How != "fin" || end.kind != ended {
						return "not closed by viaduct: " + said(r)
					}
					idle = append(idle, *r.Close.IdleSeconds)
					return ""
				})
			}
			next := p.await(patience, 2, "REGISTER", of("REGISTER"))
			took := next.at.Sub(p.all(f.on(is(ended)))[0].at).Seconds()
			status := p.ask(p.dial(server), request("OPTIONS", "sip:echo@"+l.a.addr.String(), "tcp", netip.AddrPortFrom(l.b.addr, 5063), "")).status()
			table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", a.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			left := bytes.Count(table, []byte(" 08 0")) // CLOSE_WAIT
			l.proves(tt.fact, within(idle, 40, 42) && took < 1 && left == 0 && status == "200" && next.flow != f,
				"closed after %s of silence; registered again after %.3f s; %d sockets left; then %s", figures(idle), took, left, status)
		})
	}
}
