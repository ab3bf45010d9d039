// SPDX-License-Identifier: Apache-2.0

// Package metrics holds the core's counters. Every index is a closed set of
// label values, so nothing that the network says can add a series.
package metrics

import (
	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Sizes of the label sets; index 0 is unused where a type starts at 1.
const (
	Transports = int(event.UDP) + 1
	Sides      = int(event.Remote) + 1
	Hows       = int(event.Expired) + 1
	Directions = int(event.Out) + 1
	Closers    = Sides + 1 // the sides, and viaduct itself
	ByAgent    = Sides
	Methods    = int(sipparse.MethodRefer) + 1
	Kinds      = int(event.Record) + 1
	Modes      = 3 // observe, dry-run, enforce
	Outcomes   = 3 // done, skipped, failed
)

// Message types.
const (
	Request = iota
	Response
	Types
)

// Counters only grow. A copy is a snapshot, but for the histograms' buckets:
// use Clone.
type Counters struct {
	Opened     [Transports][Sides]uint64         // by initiator
	Closed     [Transports][Closers][Hows]uint64 // by who and how
	Failures   [Hows]uint64                      // connects that failed
	Messages   [Transports][Directions][Types][Methods]uint64
	Keepalives [keepalive.Kinds][Directions]uint64
	Unanswered [keepalive.Kinds]uint64             // of connections that are retired; a Snapshot has all
	Injected   [keepalive.Kinds][Directions]uint64 // viaduct's own, and the answers to them
	Misplaced  uint64                              // viaduct's own that went into the middle of a message
	Events     [Kinds]uint64
	Actions    [rule.NumActions][Modes][Outcomes]uint64

	Handshake   Histogram
	Lifetime    Histogram
	IdleAtClose [Sides]Histogram // by who closed
	Requests    Histogram        // new requests of a connection, at its end
	RoundTrip   Histogram        // from a keep-alive to its answer, whoever sent it
	Kept        Histogram        // time between the keep-alives that this host owes, over what was agreed
}

// New returns counters at zero.
func New() Counters {
	c := Counters{
		Handshake: newHistogram(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
		Lifetime:  newHistogram(0.1, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400),
		Requests:  newHistogram(0, 1, 2, 5, 10, 20, 50, 100, 500, 1000, 10000),
		Kept:      newHistogram(0.1, 0.25, 0.5, 0.75, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.5, 2, 5),
		RoundTrip: newHistogram(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
	}
	for i := range c.IdleAtClose {
		c.IdleAtClose[i] = newHistogram(0.1, 1, 5, 10, 20, 32, 60, 120, 300, 600, 1800, 3600)
	}
	return c
}

// Clone returns a snapshot that shares nothing with c.
func (c *Counters) Clone() Counters {
	s := *c
	for _, h := range []*Histogram{&s.Handshake, &s.Lifetime, &s.Requests, &s.RoundTrip, &s.Kept} {
		h.clone()
	}
	for i := range s.IdleAtClose {
		s.IdleAtClose[i].clone()
	}
	return s
}

// Snapshot is all that an exporter needs of one moment.
type Snapshot struct {
	Counters
	Connections [Transports][class.Classes][Sides]int // open ones, by initiator
	Sizes       Sizes
	Evicted     Evicted
	Lost        report.Lost
	Missed      uint64 // closes that only a recount found
	Findings    []Finding
}

// Finding is how many findings of one kind were raised.
type Finding struct {
	Rule, Severity, Party string
	N                     uint64
}

// Sizes are the entries of each table of state. All but Closed, Peers and
// Findings, which are history, are zero when nothing is open and all timers have run out.
type Sizes struct {
	Connections  int // TCP and TLS, closed ones for a moment longer
	Flows        int // UDP
	Sockets      int // UDP
	Transactions int
	Dialogs      int
	Bindings     int // of registrations, once for each hop
	Agreements   int // about keep-alives
	HeldBytes    int // out of order
	Waiting      int // connections with something held
	Early        int // segments without a socket
	Opened       int // connections that such segments may still belong to
	Pairs        int
	Closed       int
	Peers        int
	Findings     int
	Timers       int // of the rules
}

// Evicted counts what was dropped at the limit of each table.
type Evicted struct {
	Connections  uint64
	Flows        uint64
	Sockets      uint64
	Transactions uint64
	Dialogs      uint64
	Bindings     uint64
	Agreements   uint64
	Pairs        uint64 // peers and pairs
	Closed       uint64
	Findings     uint64
	Timers       uint64
	Notes        uint64 // of the rules, beyond connections, transactions and dialogs
	Marks        uint64 // of the past of connections, for lack of room
}

// Total adds them up.
func (e Evicted) Total() uint64 {
	return e.Connections + e.Flows + e.Sockets + e.Transactions + e.Dialogs + e.Agreements + e.Bindings + e.Pairs + e.Closed + e.Findings + e.Timers + e.Notes + e.Marks
}
