// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"maps"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Peer is what is counted of one peer of the policy. But for the gauges it only
// grows.
type Peer struct {
	Name string

	Connections [Transports][class.Classes][Sides]int // open ones, by initiator
	Negotiated  [negotiate.Mechanisms]int             // open ones on which it is in force

	Opened       [Transports][Sides]uint64         // by initiator
	Closed       [Transports][Closers][Hows]uint64 // by who and how
	Failures     [Hows]uint64                      // connects that failed
	Keepalives   [Origins][keepalive.Kinds][Directions]uint64
	Unanswered   [keepalive.Kinds]uint64
	Negotiations [negotiate.NumResults]uint64 // connections that came to the outcome
	Actions      [rule.NumActions][Modes][Outcomes]uint64
	Findings     map[Kind]uint64

	Handshake   Histogram // seconds
	Lifetime    Histogram // seconds
	IdleAtClose [Sides]Histogram
	Requests    Histogram             // new ones of a connection, at its end
	RoundTrip   Histogram             // seconds from a keep-alive to its answer
	Interval    [Directions]Histogram // between two keep-alives of one side, by what was promised; this host's by whoever sent them
}

// Kind is what findings are added up by.
type Kind struct {
	Rule     *rule.Rule
	Severity rule.Severity
	Party    event.Side
}

// Finding is k in words, with none counted.
func (k Kind) Finding() Finding {
	return Finding{Rule: k.Rule.ID, Severity: k.Severity.String(), Party: partyNames[k.Party]}
}

var partyNames = [...]string{event.Unknown: "unknown", event.Local: "local", event.Remote: "peer"}

func newPeer(name string) *Peer {
	p := &Peer{
		Name:      name,
		Findings:  make(map[Kind]uint64),
		Handshake: newHistogram(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
		Lifetime:  newHistogram(0.1, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400),
		Requests:  newHistogram(0, 1, 2, 5, 10, 20, 50, 100, 500, 1000, 10000),
		RoundTrip: newHistogram(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
	}
	for i := range p.IdleAtClose {
		p.IdleAtClose[i] = newHistogram(0.1, 1, 5, 10, 20, 32, 60, 120, 300, 600, 1800, 3600)
	}
	for i := range p.Interval {
		p.Interval[i] = newHistogram(0.1, 0.25, 0.5, 0.75, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.5, 2, 5)
	}
	return p
}

// Clone returns a snapshot that shares nothing with p.
func (p *Peer) Clone() Peer {
	s := *p
	s.Findings = maps.Clone(p.Findings)
	for _, h := range []*Histogram{&s.Handshake, &s.Lifetime, &s.Requests, &s.RoundTrip} {
		h.clone()
	}
	for i := range s.IdleAtClose {
		s.IdleAtClose[i].clone()
	}
	for i := range s.Interval {
		s.Interval[i].clone()
	}
	return s
}
