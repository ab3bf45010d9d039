// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// promising is a core with so many streams, on each of which a keep-alive every
// 30 seconds was agreed and none is sent.
func promising(p *policy.Policy, flows int) (*Core, []*script.Conn, *script.Script) {
	s := script.New()
	c := New(Config{Started: s.Now, Policy: p})
	conns := make([]*script.Conn, flows)
	for i := range conns {
		conn := s.TCP(event.Local, "192.0.2.1:40000", there)
		conn.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 40000)
		conn.Open()
		m := keepRegister
		m.Branch, m.CallID = fmt.Sprint(i), fmt.Sprintf("%d@example.com", i)
		m.More = "Expires: 86400\r\n"
		answer(conn, event.Out, m, 200, ";keep=30", "Expires: 86400\r\n")
		conns[i] = conn
		for j := range s.Events {
			c.Handle(&s.Events[j])
		}
		s.Events = s.Events[:0]
		if i%100 == 99 {
			s.Wait(30 * time.Second * 100 / time.Duration(flows))
		}
	}
	return c, conns, s
}

// heapOf is how much more heap there is while what f returns is kept.
func heapOf(f func() any) uint64 {
	empty := heapBytes()
	made := f()
	size := heapBytes() - empty
	runtime.KeepAlive(made)
	return size
}

// BenchmarkUpkeep is what one keep-alive costs the core, of 100,000 flows: to
// find it, to look again before it goes, its bytes, the pong, and the outcome.
func BenchmarkUpkeep(b *testing.B) {
	const flows = 100_000
	without := heapOf(func() any { c, _, _ := promising(keeping(policy.Keepalive{}, policy.Enforce), flows); return c })
	empty := heapBytes()
	c, conns, s := promising(agreedBy, flows)
	with := heapBytes() - empty
	var late []time.Duration
	b.ResetTimer()
	for sent := 0; sent < b.N; {
		s.Wait(50 * time.Millisecond)
		for _, w := range allBeats(c, s.Now) {
			late = append(late, s.Now.Sub(c.tcp[w.Conn.Socket].upkeep.Due()))
			if c.Still(&w, s.Now) != nil || w.Action != rule.KeepaliveCRLF {
				b.Fatal("not to be sent")
			}
			conn := conns[w.Conn.Socket-1]
			conn.Out("\r\n\r\n")
			s.Last().Own = true
			conn.In("\r\n")
			for j := range s.Events {
				c.Handle(&s.Events[j])
			}
			s.Events = s.Events[:0]
			c.Acted(&w, Done, w.Reason, s.Now)
			sent++
		}
		if s.Now%event.Time(time.Second) < event.Time(50*time.Millisecond) {
			c.Tick(s.Now)
		}
	}
	b.StopTimer()
	slices.Sort(late)
	b.ReportMetric((float64(with)-float64(without))/flows, "B/upkeep")
	b.ReportMetric(float64(late[len(late)*99/100].Milliseconds()), "ms-late-p99")
	runtime.KeepAlive(c)
}

func allBeats(c *Core, now event.Time) (all []rule.Wish) {
	for due := c.Beats(now); len(due) > 0; due = c.Beats(now) {
		all = append(all, due...)
	}
	return all
}
