// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// collectPeer shows what is counted of one peer of the policy. judged are the
// findings that there may be.
func collectPeer(ch chan<- prometheus.Metric, p *metrics.Peer, judged []metrics.Finding) {
	collectConnections(ch, p)
	collectKeepalives(ch, p)
	for r := range negotiate.NumResults {
		negotiations.value(ch, float64(p.Negotiations[r]), r.Mechanism().String(), r.Outcome(), p.Name)
	}
	for m := range negotiate.Mechanisms {
		negotiated.value(ch, float64(p.Negotiated[m]), m.String(), p.Name)
	}
	for a := range p.Actions {
		for mode := range p.Actions[a] {
			for outcome, n := range p.Actions[a][mode] {
				if mode > 0 { // who only observes asks for nothing
					actions.value(ch, float64(n), actionNames[a], modeNames[mode], outcomeNames[outcome], p.Name)
				}
			}
		}
	}
	raised := make(map[metrics.Finding]uint64)
	for kind, n := range p.Findings {
		raised[kind.Finding()] += n
	}
	for _, f := range judged {
		findings.value(ch, float64(raised[f]), f.Rule, f.Severity, f.Party, p.Name)
		delete(raised, f)
	}
	for f, n := range raised { // with another severity than the rule's own
		findings.value(ch, float64(n), f.Rule, f.Severity, f.Party, p.Name)
	}
}

func collectConnections(ch chan<- prometheus.Metric, p *metrics.Peer) {
	for t := event.TCP; int(t) < metrics.Transports; t++ {
		transport := transportNames[t]
		for i := range sideNames {
			for k := range class.Classes {
				connections.value(ch, float64(p.Connections[t][k][i]), transport, k.String(), sideNames[i], p.Name)
			}
			opened.value(ch, float64(p.Opened[t][i]), transport, sideNames[i], p.Name)
		}
		for i := range closerNames {
			for how := range howNames {
				closed.value(ch, float64(p.Closed[t][i][how]), transport, p.Name, closerNames[i], howNames[how])
			}
		}
	}
	for _, how := range []event.How{event.Timeout, event.Refused, event.Unreachable} {
		connectFailures.value(ch, float64(p.Failures[how]), p.Name, howNames[how])
	}
	handshake.histogram(ch, &p.Handshake, p.Name)
	lifetime.histogram(ch, &p.Lifetime, p.Name)
	for by := range p.IdleAtClose {
		idleAtClose.histogram(ch, &p.IdleAtClose[by], p.Name, sideNames[by])
	}
	requestsPerConnection.histogram(ch, &p.Requests, p.Name)
}

func collectKeepalives(ch chan<- prometheus.Metric, p *metrics.Peer) {
	for origin := range p.Keepalives {
		for d := event.In; int(d) < metrics.Directions; d++ {
			for k := range keepalive.Kinds {
				keepalives.value(ch, float64(p.Keepalives[origin][k][d]), k.String(), directionNames[d], originNames[origin], p.Name)
			}
		}
	}
	for _, k := range []keepalive.Kind{keepalive.Ping, keepalive.StunRequest} {
		keepaliveUnanswered.value(ch, float64(p.Unanswered[k]), k.String(), p.Name)
	}
	keepaliveRoundTrip.histogram(ch, &p.RoundTrip, p.Name)
	for d := event.In; int(d) < metrics.Directions; d++ {
		keepaliveInterval.histogram(ch, &p.Interval[d], directionNames[d], p.Name)
	}
}

// limitLabels are those of viaduct_limited_connects_total.
type limitLabels struct{ peer, direction, mode string }

// collectLimits shows for each peer what its limits have done; what is limited
// in rows without series of their own is of [policy.Other].
func collectLimits(ch chan<- prometheus.Metric, s *Sample) {
	refused := make(map[limitLabels]uint64)
	for i := range s.Peers {
		for _, direction := range directionNames[event.In:] {
			for _, mode := range modeNames[policy.DryRun:] {
				refused[limitLabels{s.Peers[i].Name, direction, mode}] = 0
			}
		}
	}
	for _, l := range s.Limits {
		refused[limitLabels{s.Of(l.Peer).Name, l.Direction, l.Mode}] += l.Refused
	}
	for l, n := range refused {
		limitedConnects.value(ch, float64(n), l.peer, l.direction, l.mode)
	}
	for reason, n := range s.Unlimited {
		unlimitedConnects.value(ch, float64(n), reason)
	}
}
