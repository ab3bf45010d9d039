// SPDX-License-Identifier: Apache-2.0

// Package exporter shows the core's counters to Prometheus. It is one
// collector over snapshots: nothing is counted here, and nothing is kept
// between scrapes. Every label has a closed set of values, which are present
// from the start at zero.
package exporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/keepalive"
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
	collectConnections(ch, &s)
	collectTraffic(ch, &s)
	collectState(ch, &s)
	collectKernel(ch, &s)
	policyReloads.value(ch, float64(s.Policy.Succeeded), "success")
	policyReloads.value(ch, float64(s.Policy.Failed), "failure")
	policyLoaded.value(ch, s.Policy.Loaded)
	for feature, there := range c.features {
		featureAvailable.value(ch, oneIf(there), feature)
	}
}

func collectConnections(ch chan<- prometheus.Metric, s *Sample) {
	for t := event.TCP; int(t) < metrics.Transports; t++ {
		transport := transportNames[t]
		for i := range sideNames {
			for k := range class.Classes {
				connections.value(ch, float64(s.Connections[t][k][i]), transport, k.String(), sideNames[i], peerOther)
			}
			opened.value(ch, float64(s.Opened[t][i]), transport, sideNames[i], peerOther)
		}
		for i := range closerNames {
			for how := range howNames {
				closed.value(ch, float64(s.Closed[t][i][how]), transport, peerOther, closerNames[i], howNames[how])
			}
		}
	}
	for _, how := range []event.How{event.Timeout, event.Refused, event.Unreachable} {
		connectFailures.value(ch, float64(s.Failures[how]), peerOther, howNames[how])
	}
	handshake.histogram(ch, &s.Handshake, peerOther)
	lifetime.histogram(ch, &s.Lifetime, peerOther)
	for by := range s.IdleAtClose {
		idleAtClose.histogram(ch, &s.IdleAtClose[by], peerOther, sideNames[by])
	}
	requestsPerConnection.histogram(ch, &s.Requests, peerOther)
}

func collectTraffic(ch chan<- prometheus.Metric, s *Sample) {
	for d := event.In; int(d) < metrics.Directions; d++ {
		for t := event.TCP; int(t) < metrics.Transports; t++ {
			for kind := range metrics.Types {
				for m := range sipparse.Method(metrics.Methods) {
					messages.value(ch, float64(s.Messages[t][d][kind][m]),
						transportNames[t], directionNames[d], typeNames[kind], methodName(m))
				}
			}
		}
		for k := range keepalive.Kinds {
			keepalives.value(ch, float64(s.Keepalives[k][d]), k.String(), directionNames[d], originApplication, peerOther)
			keepalives.value(ch, float64(s.Injected[k][d]), k.String(), directionNames[d], originViaduct, peerOther)
		}
	}
	for _, k := range []keepalive.Kind{keepalive.Ping, keepalive.StunRequest} {
		keepaliveUnanswered.value(ch, float64(s.Unanswered[k]), k.String(), peerOther)
	}
	keepaliveRoundTrip.histogram(ch, &s.RoundTrip, peerOther)
	keepaliveInterval.histogram(ch, &s.Kept, peerOther)
	keepaliveMisplaced.value(ch, float64(s.Misplaced))
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
	for _, t := range evictions(&s.Evicted) {
		stateEvictions.value(ch, float64(t.n), t.name)
	}
	for _, f := range s.Findings {
		findings.value(ch, float64(f.N), f.Rule, f.Severity, f.Party, peerOther)
	}
	for a := range s.Actions {
		for mode := range s.Actions[a] {
			for outcome, n := range s.Actions[a][mode] {
				if mode > 0 { // who only observes asks for nothing
					actions.value(ch, float64(n), actionNames[a], modeNames[mode], outcomeNames[outcome], peerOther)
				}
			}
		}
	}
	for _, l := range s.Limits {
		limitedConnects.value(ch, float64(l.Refused), l.Peer, l.Direction, l.Mode)
	}
	for reason, n := range s.Unlimited {
		unlimitedConnects.value(ch, float64(n), reason)
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
