// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/metrics"
)

// Sample is what one scrape shows.
type Sample struct {
	metrics.Snapshot
	Kernel   Kernel
	Programs []Program
	Policy   Policy
	Limits   []Limit
	// Unlimited are connections that were not limited as they should have been,
	// by reason.
	Unlimited map[string]uint64
	Tables    []Table // beside those of the core

	Exported, Unexported Exports
	Sends                Sends
	TLS                  TLS
}

// TLS is how reading what is inside TLS connections is going.
type TLS struct {
	Bound       uint64 // sessions of a TLS library that were bound to a socket
	Confirmed   uint64 // records that confirmed it
	Conflicting uint64 // and that contradicted it: the session was let go
	Doubted     uint64 // sessions let go because nothing confirmed them any more

	UnboundBytes uint64 // plaintext that was dropped, as nothing told whose it is

	Seen, Opaque int // processes whose plaintext is read now, and cannot be
}

// Sends are what became of the keep-alives that were written into sockets.
type Sends struct {
	Done      uint64
	Refrained uint64 // the program came between, which showed once the socket was locked
	Late      uint64 // the socket was not had in time
	Took      time.Duration
	Swallowed uint64 // STUN answers that the program did not get
	Unasked   uint64 // STUN requests that there was no room for
}

// Table is one of the tables in the kernel.
type Table struct {
	Name    string
	Entries int
}

// Exports are records, SIP messages sent to a HEP collector, and messages to who
// reads the stream of changes.
type Exports struct {
	Records uint64
	HEP     uint64
	Stream  uint64
}

// Limit is what one row's limits have done.
type Limit struct {
	Peer, Direction, Mode string
	Refused               uint64 // or would have been, in a dry run
}

// Policy is what became of the policy file.
type Policy struct {
	Succeeded uint64
	Failed    uint64
	Loaded    float64 // Unix time; 0 if there is no file
}

// Kernel is what only the programs in the kernel count; events they failed to
// hand over are in the Snapshot.
type Kernel struct {
	Unreadable     uint64 // packets whose headers or payload could not be read
	Recursion      uint64 // runs of programs that the kernel left out
	LostBytes      uint64 // payload of records that found the ring full
	TruncatedBytes uint64 // payload past the largest packet that is copied
}

// Program is one BPF program that is to be attached all the time.
type Program struct {
	Name     string
	Attached bool
	Runs     uint64        // 0 if the kernel does not count
	RunTime  time.Duration // of these
}

// Loss is one way in which events did not reach the core, or could not be read
// there.
type Loss struct {
	Reason string // as in the report
	Events uint64
}

// Losses returns every way, those that did not happen too, in a fixed order.
func (s *Sample) Losses() []Loss {
	l := &s.Lost
	return []Loss{
		{"ring_full", l.RingFull},
		{"map_full", l.MapFull},
		{"queue_overrun", l.QueueOverrun},
		{"unreadable", s.Kernel.Unreadable},
		{"recursion", s.Kernel.Recursion},
		{"truncated", l.Truncated},
		{"sequence_gaps", l.SequenceGaps},
		{"parse_errors", l.ParseErrors},
		{"unclaimed", l.Unclaimed},
		{"implausible", l.Implausible},
	}
}
