// SPDX-License-Identifier: Apache-2.0

package tlsbind

import (
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Fragment is the beginning of an encrypted record, behind its header.
type Fragment [16]byte

// Session is one TLS session as one process sees it. Processes that share
// memory see the same session at the same address, and each is bound by what it
// does itself.
type Session struct {
	PID     uint32
	Address uint64
}

// Call is what one call of a TLS library moved. Sources reuse it: Payload is
// theirs, and valid until the handler returns.
type Call struct {
	Time        event.Time
	Session     Session
	Direction   event.Direction
	Length      int  // plaintext bytes; 0 if the call only moved encrypted bytes
	Closes      bool // what it moved is the closure alert
	Lost        int  // plaintext bytes of this session and direction lost just before
	Payload     []byte
	HasFragment bool
	Fragment    Fragment
}

const (
	// holdFor is how long plaintext waits for its record to go by: what is
	// written to memory first is sent by the same program right afterwards, but
	// perhaps by another process of it.
	holdFor = 5 * time.Second
	// linger is how long a socket that is closed may still be read from.
	linger = 5 * time.Second

	// Bounds, with a counter for each: records that went by and may be asked
	// for; sessions; sockets; plaintext that waits, in all and of one session.
	maxRecords     = 1 << 15
	maxSessions    = 1 << 20
	maxSockets     = 1 << 20
	maxHeld        = 8 << 20
	maxSessionHeld = 256 << 10

	// doubtAfter is how many fragments in a row of a bound session may be found
	// nowhere before the binding is dropped: some are missed on the wire.
	doubtAfter = 64
)

// Counters of the whole observation.
type Counters struct {
	Bound       uint64 // sessions that were bound to a socket
	Confirmed   uint64 // fragments that confirmed a binding
	Conflicting uint64 // fragments that contradicted one, which was dropped
	Doubted     uint64 // bindings dropped because nothing confirmed them any more

	UnboundCalls uint64 // calls whose plaintext was dropped for want of evidence
	UnboundBytes uint64
	Late         uint64 // calls that were bound after newer bytes had been handed on
	LostBytes    uint64 // plaintext that the source lost, of sessions that were bound
	Evicted      uint64 // sessions and sockets forgotten at a bound
}

// Gauges are of this moment.
type Gauges struct {
	Sessions, Bound, Sockets int
	Held                     int // bytes of plaintext that wait
}
