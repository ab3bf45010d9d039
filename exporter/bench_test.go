// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"fmt"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// BenchmarkScrape takes a page off a core with many open connections. During
// snapshot-ns the reader of events waits.
func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{0, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("connections=%d", n), func(b *testing.B) {
			now := event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
			core := agent.New(agent.Config{Started: now})
			open(core, n, now, func(int) string { return "OPTIONS" })
			var snapshot time.Duration
			r := NewRegistry(NewCollector(func() (Sample, error) {
				began := time.Now()
				s := Sample{Snapshot: core.Metrics(now)}
				snapshot += time.Since(began)
				return s, nil
			}, nil))
			for b.Loop() {
				if _, err := r.Gather(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(snapshot.Nanoseconds())/float64(b.N), "snapshot-ns/op")
			if m := core.Metrics(now); sum(m) != n {
				b.Fatalf("%d connections shown, %d are open", sum(m), n)
			}
		})
	}
}

// BenchmarkScrapeOfRows is for a policy with as many rows as have series of
// their own.
func BenchmarkScrapeOfRows(b *testing.B) {
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other}}
	for i := range 50 {
		p.Peers = append(p.Peers, policy.Peer{Name: fmt.Sprintf("row-%d", i)})
	}
	p.Compile()
	core := agent.New(agent.Config{Policy: p})
	r := NewRegistry(NewCollector(func() (Sample, error) { return Sample{Snapshot: core.Metrics(1)}, nil }, nil))
	for b.Loop() {
		if _, err := r.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

func sum(s metrics.Snapshot) (n int) {
	for _, classes := range s.Peers[0].Connections {
		for _, initiators := range classes {
			for _, open := range initiators {
				n += open
			}
		}
	}
	return n
}
