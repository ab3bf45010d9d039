// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/internal/event"
)

// empty checks that every table of the living is back to nothing.
func empty(t *testing.T, c *Core, now event.Time) {
	t.Helper()
	c.Tick(now.Add(time.Hour))
	c.Tick(now.Add(time.Hour + time.Second)) // what was held until the first one may have asked for something
	z := c.Sizes()
	z.Closed, z.Peers, z.Findings = 0, 0, 0 // history
	if z != (metrics.Sizes{}) {
		t.Errorf("left over: %+v", z)
	}
	if c.open.First() != nil || c.udp.First() != nil || c.closing.First() != nil || c.budget.Used != 0 {
		t.Error("a list or the budget of held bytes is not empty")
	}
	for _, p := range c.Metrics(c.now).Peers {
		if g := (gauges{p.Connections, p.Negotiated}); g != (gauges{}) || len(c.tallies.due) > 0 {
			t.Errorf("%d wait for their time, and %s has %v", len(c.tallies.due), p.Name, g)
		}
	}
}

// address is a different remote address for every n.
func address(n int) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x0a000000+uint32(n))
	return netip.AddrPortFrom(netip.AddrFrom4(b), 5060)
}

var small = Config{MaxConnections: 1000, MaxTransactions: 500, MaxDialogs: 100, MaxPeers: 700, MaxClosed: 300, MaxHeldBytes: 100_000}

func within(t *testing.T, c *Core) {
	t.Helper()
	z := c.Sizes()
	if z.Connections+z.Flows > small.MaxConnections || z.Transactions > small.MaxTransactions ||
		z.Dialogs > small.MaxDialogs || z.Peers > small.MaxConnections+small.MaxPeers ||
		z.Closed > small.MaxClosed || z.HeldBytes > small.MaxHeldBytes || z.Pairs > small.MaxPeers {
		t.Fatalf("over the limits: %+v", z)
	}
}

// TestAMillionFlows: whatever the network sends, the tables stay within their
// limits and what is dropped is counted.
func TestAMillionFlows(t *testing.T) {
	c := New(small)
	const flows = 1_000_000
	payload := []byte(script.Msg{Method: "OPTIONS", Via: "SIP/2.0/UDP 198.51.100.7:5060"}.String())
	e := event.Event{Kind: event.Data, Transport: event.UDP, Direction: event.In, Socket: 1,
		Local: netip.MustParseAddrPort(here), Payload: payload, Length: len(payload)}
	for n := range flows {
		e.Time = script.Start.Add(time.Duration(n) * time.Microsecond)
		e.Remote = address(n)
		c.Handle(&e)
		if n%10_000 == 0 {
			c.Tick(e.Time)
			within(t, c)
		}
	}
	within(t, c)
	m := c.Metrics(e.Time)
	if got := int(m.Evicted.Flows) + m.Sizes.Flows; got != flows {
		t.Errorf("%d flows evicted or held, want %d", got, flows)
	}
	if got := int(m.Evicted.Closed) + m.Sizes.Closed; got != int(m.Evicted.Flows) {
		t.Errorf("%d records dropped or held, want %d", got, m.Evicted.Flows)
	}
	if c.Report(e.Time).Lost.Evicted != m.Evicted.Total() {
		t.Error("the report does not say what was evicted")
	}
	empty(t, c, e.Time)
}

func TestManyConnections(t *testing.T) {
	c := New(small)
	s := script.New()
	for n := range 20_000 {
		s.Events = s.Events[:0]
		conn := s.TCP(event.Side(1+n%2), "192.0.2.1:40000", "198.51.100.7:5060")
		conn.Remote = address(n)
		conn.Open()
		exchange(conn, event.In, script.Msg{Method: "INVITE", Branch: fmt.Sprint(n), CallID: fmt.Sprint(n)})
		conn.In(script.Msg{Method: "OPTIONS", Branch: fmt.Sprint("p", n)}.String())
		conn.Segment(event.In, conn.SeqIn+100, "a hole before this")
		for i := range s.Events {
			c.Handle(&s.Events[i])
		}
		if n%500 == 0 {
			within(t, c)
		}
	}
	m := c.Metrics(s.Now)
	if m.Evicted.Connections != 20_000-1000 || m.Evicted.Dialogs == 0 || m.Evicted.Transactions == 0 {
		t.Errorf("evicted %+v", m.Evicted)
	}
	for socket, conn := range c.tcp {
		c.Handle(&event.Event{Kind: event.Closed, Transport: event.TCP, Socket: socket, Remote: conn.Remote, Time: s.Now})
	}
	empty(t, c, s.Now)
}

// TestLeak: what 50,000 connections of every kind leave behind is their
// history.
func TestLeak(t *testing.T) {
	c := New(Config{})
	s := script.New()
	for n := range 50_000 {
		s.Events = s.Events[:0]
		conn := s.TCP(event.Side(1+n%2), "192.0.2.1:40000", "198.51.100.7:5060").Open()
		m := script.Msg{Method: "INVITE", Branch: fmt.Sprint(n), CallID: fmt.Sprint(n), Params: ";keep"}
		switch n % 4 {
		case 0:
			exchange(conn, event.In, m)
		case 1:
			conn.In(m.String())
			conn.In("\r\n")
		case 2:
			conn.In(m.String()[:50])
		case 3:
			conn.Segment(event.In, conn.SeqIn+1, m.String())
		}
		if n%3 == 0 {
			conn.FIN(event.In)
		}
		conn.Close(event.Remote, event.How(n%3))
		for i := range s.Events {
			c.Handle(&s.Events[i])
		}
		s.Wait(time.Millisecond)
		if n%100 == 0 {
			c.Tick(s.Now)
		}
	}
	if z := c.Sizes(); z.Connections > 5200 || z.Connections < 5000 {
		t.Errorf("%d connections linger, want those of five seconds", z.Connections)
	}
	empty(t, c, s.Now)
	if n := c.Sizes().Closed; n != 50_000 {
		t.Errorf("%d records, want 50000", n)
	}
}

// TestLossAccounting: bytes seen and bytes lost are the bytes sent, and every
// message that was not hit is seen, whatever is lost, doubled or out of order.
func TestLossAccounting(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 1000 {
		s := script.New()
		c := s.TCP(event.Remote, here, "198.51.100.7:40000").Open()
		first := c.SeqIn
		var sent []byte
		var ends []int
		for n := range 50 {
			sent = append(sent, script.Msg{Method: "OPTIONS", Branch: fmt.Sprint(n), Body: "body\r\n\r\n"}.String()...)
			ends = append(ends, len(sent))
		}
		hit := make([]bool, len(sent))
		lostBytes := 0
		lost := false
		for at := 0; at < len(sent); {
			n := min(1+rng.IntN(1400), len(sent)-at)
			if rng.IntN(20) == 0 {
				for i := at; i < at+n; i++ {
					hit[i] = true
				}
				lostBytes += n
				lost = true
			} else {
				c.Segment(event.In, first+uint32(at), string(sent[at:at+n]))
				s.Last().Lost = lost && round%2 == 0 // else nobody says so, and the hole is given up in time
				lost = false
				s.Wait(time.Millisecond)
			}
			at += n
		}
		for range rng.IntN(5) { // doubled
			s.Events = append(s.Events, s.Events[1+rng.IntN(len(s.Events)-1)])
			s.Last().Time, s.Last().Lost = s.Now, false
		}
		s.Wait(5 * time.Minute)
		c.Close(event.Remote, event.RST)
		s.Last().Counts.BytesReceived = uint64(len(sent)) + 1
		core := New(Config{})
		for i := range s.Events {
			core.Handle(&s.Events[i])
		}
		core.Finish(s.Now)
		r := core.Report(s.Now)
		l := r.Connections[0]
		// Without a later segment the kernel's count shows the loss, of which
		// one byte may be the FIN's.
		if d := int(l.LostBytes) - lostBytes; d < 0 || d > 1 || l.LostBytes != r.Lost.SequenceGapBytes {
			t.Fatalf("round %d: %d bytes lost, want %d (report %d)", round, l.LostBytes, lostBytes, r.Lost.SequenceGapBytes)
		}
		if l.Incomplete != (lostBytes > 0) {
			t.Fatalf("round %d: incomplete %t with %d bytes lost", round, l.Incomplete, lostBytes)
		}
		whole, head := 0, 0
		for n, end := range ends {
			begin := 0
			if n > 0 {
				begin = ends[n-1]
			}
			damaged, damagedHead := false, false
			for i := begin; i < end; i++ {
				damaged = damaged || hit[i]
				damagedHead = damagedHead || hit[i] && i < end-len("\nbody\r\n\r\n") // a head is whole without its last LF
			}
			if !damaged {
				whole++
			}
			if !damagedHead {
				head++
			}
		}
		got := int(l.Messages.RequestsReceived)
		if got < whole || got > head {
			t.Fatalf("round %d: %d messages seen, want %d to %d", round, got, whole, head)
		}
	}
}

// TestAnyOrderOfSegments: the messages are the same however the network orders
// and repeats the segments, also where the sequence numbers wrap.
func TestAnyOrderOfSegments(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range 300 {
		s := script.New()
		c := s.TCP(event.Local, "192.0.2.1:40000", there)
		c.SeqIn, c.SeqOut = rng.Uint32(), -uint32(rng.IntN(2000))
		c.Open()
		sent := map[event.Direction]string{event.Out: "", event.In: ""}
		for n := range 6 {
			m := script.Msg{Method: "OPTIONS", Branch: fmt.Sprint("m", n), Body: "\r\n\r\nSIP/2.0"}
			sent[event.Out] += m.String() + "\r\n\r\n"
			sent[event.In] += m.Reply(200).String()
		}
		for _, d := range []event.Direction{event.Out, event.In} {
			all, first := sent[d], c.SeqOut
			if d == event.In {
				first = c.SeqIn
			}
			for at := 0; at < len(all); {
				n := min(1+rng.IntN(200), len(all)-at)
				from := max(0, at-rng.IntN(50))
				c.Segment(d, first+uint32(from), all[from:at+n])
				for range rng.IntN(2) {
					c.Segment(d, first+uint32(from), all[from:at+n])
				}
				at += n
			}
		}
		segments := s.Events[1:]
		// Both directions on their own: an answer must not come before the
		// request, as no observer on a host sees that.
		rng.Shuffle(len(segments), func(i, j int) {
			if segments[i].Direction == segments[j].Direction {
				segments[i], segments[j] = segments[j], segments[i]
			}
		})
		slices.SortStableFunc(segments, func(a, b event.Event) int { return int(b.Direction) - int(a.Direction) })
		_, r := play(t, s)
		l := r.Connections[0]
		m, k := l.Messages, l.Keepalives
		if m.RequestsSent != 6 || m.ResponsesReceived != 6 || m.Malformed != 0 || m.Retransmissions != 0 || k.PingsSent != 6 ||
			l.PendingTransactions != 0 || l.Incomplete || int(l.BytesSent) != len(sent[event.Out]) || int(l.BytesReceived) != len(sent[event.In]) {
			t.Fatalf("round %d: %+v %+v, incomplete %t", round, m, k, l.Incomplete)
		}
	}
}
