// SPDX-License-Identifier: Apache-2.0

// Package metrics holds the core's counters. Every index is a closed set of
// label values, so nothing that the network says can add a series.
package metrics

import (
	"github.com/viaduct-project/viaduct/agent/report"
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
	Kinds      = int(event.ClosureAlert) + 1
	Modes      = 3 // observe, dry-run, enforce
	Outcomes   = 3 // done, skipped, failed
)

// Who sent a keep-alive.
const (
	Application = iota // of this host, or the other end
	Viaduct
	Origins
)

// Message types.
const (
	Request = iota
	Response
	Types
)

// Counters are what is counted of the whole host. They only grow, and a copy is
// a snapshot.
type Counters struct {
	Messages  [Transports][Directions][Types][Methods]uint64
	Events    [Kinds]uint64
	Misplaced uint64 // keep-alives of viaduct's that went into the middle of a message
}

// Snapshot is all that an exporter needs of one moment.
type Snapshot struct {
	Counters
	Peers   []Peer    // the first one is [policy.Other]
	Judged  []Finding // every kind that findings may be of by their rules, at zero
	Rows    Rows
	Sizes   Sizes
	Evicted Evicted
	Lost    report.Lost
	Missed  uint64    // closes that only a recount found
	Late    Histogram // seconds from when a keep-alive of viaduct's was due until it was sent; not of TCP's own
}

// Of returns the peer's counters, those of [policy.Other] if it has none of its
// own.
func (s *Snapshot) Of(name string) *Peer {
	for i := range s.Peers {
		if s.Peers[i].Name == name {
			return &s.Peers[i]
		}
	}
	return &s.Peers[0]
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
