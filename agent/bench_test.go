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

// pairs returns requests and their responses of about 800 bytes, enough of
// them that none is a retransmission of one still known.
func pairs(via string) (requests, responses [][]byte) {
	pad := "Record-Route: <sip:198.51.100.7;lr>\r\nUser-Agent: example/1.0 (padding padding padding padding padding padding)\r\n" +
		"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, UPDATE\r\n" +
		"Contact: <sip:alice@192.0.2.1:5060;transport=tcp>\r\nSupported: replaces, timer, path, outbound\r\n"
	for n := range 4096 {
		m := script.Msg{Method: "OPTIONS", Via: via, Branch: fmt.Sprintf("%08d", n), CSeq: n + 1, More: pad,
			Params: ";rport\r\nVia: SIP/2.0/TCP 203.0.113.1:5060;branch=z9hG4bK2;received=203.0.113.1"}
		s := m.String()
		m.Body = string(make([]byte, 800-len(s)))
		requests = append(requests, []byte(m.String()))
		r := m.Reply(200)
		r.More = pad
		responses = append(responses, []byte(r.String()))
	}
	return requests, responses
}

func BenchmarkHandleTCP(b *testing.B) {
	requests, responses := pairs("SIP/2.0/TCP 192.0.2.1:5060")
	c := New(Config{})
	s := script.New()
	conn := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
	c.Handle(&s.Events[0])
	e := conn.Event(event.Data)
	e.Time = s.Now
	seq := [2]uint32{conn.SeqOut, conn.SeqIn}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		i, half := n/2%len(requests), n%2
		e.Direction, e.Payload = event.Out, requests[i]
		if half == 1 {
			e.Direction, e.Payload = event.In, responses[i]
		}
		e.Seq, e.Length = seq[half], len(e.Payload)
		seq[half] += uint32(e.Length)
		e.Time += event.Time(20 * time.Microsecond)
		c.Handle(&e)
		if n++; n%1000 == 0 {
			c.Tick(e.Time)
		}
	}
	if m := c.counters.Messages[event.TCP][event.Out][0][6]; int(m) != (n+1)/2 {
		b.Fatalf("%d requests seen of %d", m, (n+1)/2)
	}
}

func BenchmarkHandleUDP(b *testing.B) {
	requests, responses := pairs("SIP/2.0/UDP 192.0.2.1:5060")
	c := New(Config{})
	s := script.New()
	e := s.UDP("192.0.2.1:5060", there).Event(event.Data)
	e.Time = s.Now
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		i, half := n/2%len(requests), n%2
		e.Direction, e.Payload = event.Out, requests[i]
		if half == 1 {
			e.Direction, e.Payload = event.In, responses[i]
		}
		e.Length = len(e.Payload)
		e.Time += event.Time(5 * time.Millisecond) // so that what comes again is forgotten
		c.Handle(&e)
		if n++; n%1000 == 0 {
			c.Tick(e.Time)
		}
	}
}

// BenchmarkIdleConnections reports what an idle connection costs that has
// carried one request and its answer.
func BenchmarkIdleConnections(b *testing.B) {
	for _, keepalives := range []int{0, 1, 70} {
		b.Run(fmt.Sprintf("keepalives=%d", keepalives), func(b *testing.B) {
			const count = 200_000
			for b.Loop() {
				before := heapBytes()
				c := New(Config{})
				s := script.New()
				for n := range count {
					s.Events = s.Events[:0]
					conn := s.TCP(event.Remote, here, "198.51.100.7:5060")
					conn.Remote = netip.AddrPortFrom(address(n/100).Addr(), uint16(n%100+1024))
					conn.Open()
					exchange(conn, event.In, script.Msg{Method: "OPTIONS"})
					for range keepalives {
						conn.In("\r\n\r\n")
						conn.Out("\r\n")
						s.Wait(time.Second)
					}
					for i := range s.Events {
						c.Handle(&s.Events[i])
					}
				}
				c.Tick(s.Now.Add(time.Minute))
				b.ReportMetric(float64(heapBytes()-before)/count, "B/connection")
				runtime.KeepAlive(c)
			}
		})
	}
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkReport has two findings on every tenth connection.
func BenchmarkReport(b *testing.B) {
	c := New(Config{})
	s := script.New()
	for n := range 100_000 {
		conn := s.TCP(event.Remote, here, "198.51.100.7:5060")
		conn.Remote = address(n)
		m := script.Msg{Method: "OPTIONS"}
		if n%10 == 0 {
			m.Params = ";keep=5"
		}
		exchange(conn.Open(), event.In, m)
	}
	for i := range s.Events {
		c.Handle(&s.Events[i])
	}
	if n := len(c.Report(s.Now).Findings); n < 10_000 {
		b.Fatalf("%d findings", n)
	}
	b.Run("report", func(b *testing.B) {
		for b.Loop() {
			c.Report(s.Now)
		}
	})
	b.Run("metrics", func(b *testing.B) {
		for b.Loop() {
			c.Metrics(s.Now)
		}
	})
}
