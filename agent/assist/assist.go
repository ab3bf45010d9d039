// SPDX-License-Identifier: Apache-2.0

// Package assist is the schedule of the keep-alives that viaduct sends for
// programs which agreed to send some and do not: who is owed them, when the
// next is due, by what means, whether it was answered, and what follows.
//
// Only keep-alives count, as the one who waits for them counts (RFC 5626
// section 4.4: a server waits so long "without seeing keep-alives", RFC 6223
// section 5: no more than so long between two): a SIP message does not put the
// next one off, a keep-alive of the program's own does. A program that sends
// its own is left alone until it is late.
//
// Everything here is pure: time and chance are given by the caller.
package assist

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// grace is how much later than promised a program that sends its own may be
	// before viaduct sends for it. Who waits has a grace period, too (RFC 5626
	// section 4.4).
	grace = 500 * time.Millisecond
	// straggle is how late the word of an answer may come: a lone CRLF is held
	// for a second, as it may become the first half of a ping, and another
	// second is for the source of events.
	straggle = 2500 * time.Millisecond
	// renewal is how long the renewal of an agreement may take: what stands
	// again after it has gone on.
	renewal = 5 * time.Second
	// forgotten is when an action whose outcome was never told is given up.
	forgotten = time.Minute
	// first (or a tenth of the interval) and longest wait before something that
	// could not be done is tried again.
	againFirst, againLongest = time.Second, 30 * time.Second
	// recheck is how often it is looked whether a program has undone what was
	// set on its socket.
	recheck = time.Minute
	// maxBackOff is by how many powers of two a flow that has failed, or that
	// viaduct cannot reach, is tried less often.
	maxBackOff = 4
)

// State of a flow, as far as viaduct's keep-alives show it.
type State uint8

const (
	Fine    State = iota
	Failed        // no pong in time from a peer that is known to answer (RFC 5626 section 4.4.1); tried less and less often
	Stopped       // no answer to STUN, or an error: nothing more until keep-alives are agreed anew (RFC 6223 section 10)
)

var stateNames = [...]string{"fine", "failed", "stopped"}

func (s State) String() string { return stateNames[s] }

// Flow is the schedule of one connection or UDP flow. It exists where
// keep-alives are due and viaduct may send them.
type Flow struct {
	Terms  Terms
	Method Method
	Why    Why // this method
	State  State

	Own, App             uint32     // keep-alives sent, by viaduct and by the program
	First, Last          event.Time // of both
	Longest              time.Duration
	Answered, Unanswered uint32        // of viaduct's
	RTT                  time.Duration // of the newest answer, 0 if none
	Answers              bool          // the peer has answered a keep-alive on this flow
	Idle                 time.Duration // TCP: what is to be set on the socket, 0 before
	Probed               time.Duration // TCP: what was set, 0 before; it stays until the socket is closed

	stun     *binding      // UDP
	from     event.Time    // when the time to the next keep-alive begins, if not with the newest
	paused   event.Time    // since when nothing is owed, 0 if something is
	app      event.Time    // the program's newest
	draw     time.Duration // from the last keep-alive to the next
	until    event.Time    // not before, after something that could not be done
	asked    event.Time    // somebody is about to send, 0 if not
	meant    event.Time    // when what is about to be sent was due at first, 0 if nothing is
	stopped  event.Time
	sent     [keepalive.Outstanding]event.Time // pings that wait for a pong
	waiting  uint8
	tries    uint8 // in a row that were put off
	back     uint8 // exponent of the back-off
	resumed  bool  // an earlier process was sending
	pretends bool  // a dry run has begun
	seen     bool  // the ping that was asked for has been seen in the stream
	told     bool  // it was told that it went, before it was seen
	harm     harm
}
