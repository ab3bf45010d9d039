// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/query"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil/traffic"
)

// stopwatch is a lock that knows how long it was held each time.
type stopwatch struct {
	sync.Mutex
	since time.Time
	held  []time.Duration
}

// share is the time that so many of a hundred holds were not longer than.
func (s *stopwatch) share(percent int) float64 {
	slices.Sort(s.held)
	return float64(s.held[(len(s.held)-1)*percent/100].Microseconds())
}

func (s *stopwatch) Lock() {
	s.Mutex.Lock()
	s.since = time.Now()
}

func (s *stopwatch) Unlock() {
	s.held = append(s.held, time.Since(s.since))
	s.Mutex.Unlock()
}

// BenchmarkHold reports how long events have to wait for somebody who looks,
// and how long looking takes.
func BenchmarkHold(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		play := traffic.New(agent.Config{})
		play.Connections(n)
		play.Wait(time.Second)
		lock := new(stopwatch)
		v := &View{Lock: lock, Core: play.Core, Now: func() event.Time { return play.Now }}
		for _, look := range []struct {
			name string
			do   func()
		}{
			{"newest", func() { v.Connections(&Query{Limit: 100}) }},
			{"idle", func() { v.Connections(&Query{Limit: 100, Order: query.Order{By: "idle"}}) }},
			{"nothing found", func() { v.Connections(&Query{Limit: 100, Filter: query.Filter{Text: "nobody"}}) }},
			{"findings", func() { v.Findings(&Query{Limit: 100, Filter: query.Filter{Text: "fin"}}) }},
			{"peers", func() { v.Peers(&Query{Limit: 100}) }},
			{"changes", func() { v.Follow().Next() }},
			{"report", func() { _ = v.WriteReport(io.Discard) }},
		} {
			b.Run(fmt.Sprintf("connections=%d/%s", n, look.name), func(b *testing.B) {
				lock.held = nil
				for b.Loop() {
					look.do()
				}
				b.ReportMetric(lock.share(50), "µs-held")
				b.ReportMetric(lock.share(99), "µs-held-p99")
				b.ReportMetric(lock.share(100), "µs-held-at-most")
			})
		}
	}
}
