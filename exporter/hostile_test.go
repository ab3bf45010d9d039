// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/internal/event"
)

// open adds n connections of as many peers, each of which has sent a request
// and had its answer.
func open(core *agent.Core, n int, at event.Time, method func(i int) string) {
	local := netip.MustParseAddrPort("192.0.2.1:5060")
	for i := range n {
		var address [16]byte
		address[0], address[1], address[2], address[3] = 0x20, 0x01, 0x0d, 0xb8
		address[12], address[13], address[14], address[15] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		e := event.Event{
			Kind: event.Opened, Time: at, Socket: uint64(i + 1), Transport: event.TCP, Initiator: event.Remote,
			Local: local, Remote: netip.AddrPortFrom(netip.AddrFrom16(address), 5060),
			OpenedAt: at, Handshake: time.Millisecond, NextIn: 1, NextOut: 1,
		}
		core.Handle(&e)
		e.Kind, e.Direction, e.Seq = event.Data, event.In, 1
		e.Payload = message(method(i)+" sip:192.0.2.1 SIP/2.0", method(i), i)
		e.Length = len(e.Payload)
		core.Handle(&e)
		e.Direction = event.Out
		e.Payload = message("SIP/2.0 200 OK", method(i), i)
		e.Length = len(e.Payload)
		core.Handle(&e)
	}
}

func message(start, method string, i int) []byte {
	return fmt.Appendf(nil, "%s\r\nVia: SIP/2.0/TCP 198.51.100.1;branch=z9hG4bK%d;keep;p%d=%d\r\nFrom: <sip:a%d@example.com>;tag=a%d\r\n"+
		"To: <sip:b@example.com>\r\nCall-ID: %d@example.com\r\nCSeq: 1 %s\r\nX-%d: \"}\n%d\r\nUser-Agent: \xff%d\r\nContent-Length: 0\r\n\r\n",
		start, i, i, i, i, i, i, method, i, i, i)
}

func shown(t *testing.T, core *agent.Core, now event.Time) map[string]float64 {
	t.Helper()
	return values(gather(t, NewCollector(func() (Sample, error) {
		s := zero()
		s.Snapshot = core.Metrics(now)
		return s, nil
	}, nil)))
}

// TestHostileInputAddsNoSeries: nothing that 100,000 peers send, from as many
// addresses, may add a series but for findings with another severity than their
// rule's own, three for each rule at most.
func TestHostileInputAddsNoSeries(t *testing.T) {
	start := event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	core := agent.New(agent.Config{Started: start, MaxConnections: 5000, MaxPeers: 1000})
	before := slices.Sorted(maps.Keys(shown(t, core, start)))

	open(core, 100_000, start, func(i int) string { return fmt.Sprintf("METHOD%d", i) })
	now := rubbish(core, start, 200_000)

	after := shown(t, core, now.Add(time.Hour))
	got := slices.DeleteFunc(slices.Sorted(maps.Keys(after)), func(name string) bool {
		return strings.HasPrefix(name, "viaduct_findings_total ") && !slices.Contains(before, name)
	})
	if !slices.Equal(got, before) {
		t.Errorf("%d series before, %d after", len(before), len(got))
	}
	if n := after["viaduct_messages_total direction=in method=other transport=tcp type=request"]; n < 100_000 {
		t.Errorf("%v messages of other methods, at least 100000 were sent", n)
	}
	if n := after["viaduct_state_evictions_total table=connections"]; n == 0 {
		t.Error("nothing was evicted: the test is too small")
	}
	if n := count(full(t, core.Metrics(now))); n > seriesMax {
		t.Errorf("%d series, at most %d are promised", n, seriesMax)
	} else {
		t.Logf("%d series", n)
	}
}

// rubbish sends n events about nothing in particular, and returns when the last
// one was.
func rubbish(core *agent.Core, start event.Time, n int) (now event.Time) {
	const alphabet = "SIP/2.0 \r\n;=\x00\xff<>:"
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		payload := make([]byte, random.IntN(64))
		for j := range payload {
			payload[j] = alphabet[random.IntN(len(alphabet))]
		}
		e := event.Event{
			Kind: event.Kind(random.IntN(256)), Transport: event.Transport(1 + random.IntN(3)), Direction: event.Direction(1 + random.IntN(2)),
			Initiator: event.Side(random.IntN(3)), By: event.Side(random.IntN(3)), How: event.How(random.IntN(7)),
			MidLife: random.IntN(2) == 0, Failed: random.IntN(2) == 0, Lost: random.IntN(9) == 0,
			Time: start.Add(time.Duration(i) * time.Millisecond), Socket: random.Uint64N(30_000), OpenedAt: start,
			Local:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(random.Uint32())}), uint16(random.Uint32())),
			Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(random.Uint32())}), uint16(random.Uint32())),
			Owner:  event.Process{PID: random.Uint32(), Name: string(payload)},
			Seq:    random.Uint32N(1 << 16), Payload: payload, Length: len(payload) + random.IntN(2),
		}
		core.Handle(&e)
		if i%1000 == 0 {
			core.Tick(e.Time)
		}
		now = e.Time
	}
	return now
}
