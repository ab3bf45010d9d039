// SPDX-License-Identifier: Apache-2.0

// Package exporter shows the core's counters to Prometheus. It is one
// collector over snapshots: nothing is counted here, and nothing is kept
// between scrapes. Every label has a closed set of values, which are present
// from the start at zero.
package exporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Collector shows samples. It may be scraped from several goroutines at once if
// its sample function may be called so.
type Collector struct {
	sample   func() (Sample, error)
	features map[string]bool
}

// NewCollector returns a collector that takes a sample at each scrape. features
// says which of them the host has, and must not change afterwards. If sample
// fails the scrape fails.
func NewCollector(sample func() (Sample, error), features map[string]bool) *Collector {
	return &Collector{sample: sample, features: features}
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	began := time.Now()
	s, err := c.sample()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(connections.desc, err)
		return
	}
	snapshotSeconds.value(ch, time.Since(began).Seconds())
	for i := range s.Peers {
		collectPeer(ch, &s.Peers[i], s.Judged)
	}
	collectMessages(ch, &s)
	collectLimits(ch, &s)
	collectExports(ch, &s)
	collectTLS(ch, &s)
	collectState(ch, &s)
	collectKernel(ch, &s)
	policyReloads.value(ch, float64(s.Policy.Succeeded), "success")
	policyReloads.value(ch, float64(s.Policy.Failed), "failure")
	policyLoaded.value(ch, s.Policy.Loaded)
	policyPeers.value(ch, float64(s.Rows.Own), "own")
	policyPeers.value(ch, float64(s.Rows.Other), "other")
	for feature, there := range c.features {
		featureAvailable.value(ch, oneIf(there), feature)
	}
}

func collectMessages(ch chan<- prometheus.Metric, s *Sample) {
	for d := event.In; int(d) < metrics.Directions; d++ {
		for t := event.TCP; int(t) < metrics.Transports; t++ {
			for kind := range metrics.Types {
				for m := range sipparse.Method(metrics.Methods) {
					messages.value(ch, float64(s.Messages[t][d][kind][m]),
						transportNames[t], directionNames[d], typeNames[kind], methodName(m))
				}
			}
		}
	}
	keepaliveMisplaced.value(ch, float64(s.Misplaced))
	keepaliveWrites.value(ch, float64(s.Sends.Done), "done")
	keepaliveWrites.value(ch, float64(s.Sends.Refrained), "refrained")
	keepaliveWrites.value(ch, float64(s.Sends.Late), "late")
	keepaliveWriteSeconds.value(ch, s.Sends.Took.Seconds())
	keepaliveSwallowed.value(ch, float64(s.Sends.Swallowed))
	keepaliveUnasked.value(ch, float64(s.Sends.Unasked))
	keepaliveLateness.histogram(ch, &s.Late)
}

func collectState(ch chan<- prometheus.Metric, s *Sample) {
	for k := event.Opened; int(k) < metrics.Kinds; k++ {
		events.value(ch, float64(s.Events[k]), kindNames[k])
	}
	for _, l := range s.Losses() {
		eventsLost.value(ch, float64(l.Events), l.Reason)
	}
	bytesLost.value(ch, float64(s.Kernel.LostBytes), "ring_full")
	bytesLost.value(ch, float64(s.Kernel.TruncatedBytes), "truncated")
	bytesLost.value(ch, float64(s.Lost.SequenceGapBytes), "sequence_gaps")
	missedCloses.value(ch, float64(s.Missed))
	for _, t := range tables(&s.Sizes) {
		stateEntries.value(ch, float64(t.n), t.name)
	}
	for _, t := range s.Tables {
		stateEntries.value(ch, float64(t.Entries), t.Name)
	}
	for _, t := range evictions(&s.Evicted) {
		stateEvictions.value(ch, float64(t.n), t.name)
	}
	heldBytes.value(ch, float64(s.Sizes.HeldBytes))
}

func collectKernel(ch chan<- prometheus.Metric, s *Sample) {
	for _, p := range s.Programs {
		programAttached.value(ch, oneIf(p.Attached), p.Name)
		if p.Runs > 0 {
			programRuns.value(ch, float64(p.Runs), p.Name)
			programRunSeconds.value(ch, p.RunTime.Seconds(), p.Name)
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
