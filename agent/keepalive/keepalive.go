// SPDX-License-Identifier: Apache-2.0

// Package keepalive counts what the two ends of a connection send only to keep
// it alive: CRLF pings and pongs on streams (RFC 5626 section 3.5.1), STUN
// Binding requests and filler datagrams on UDP.
package keepalive

import (
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Waits after which a keep-alive counts as unanswered.
const (
	PongWait = 10 * time.Second         // RFC 5626 section 4.4.1
	StunWait = 39500 * time.Millisecond // RFC 8489 section 6.2.1
)

// Kind is what a keep-alive looks like on the wire.
type Kind uint8

const (
	Ping         Kind = iota // double CRLF between messages of a stream
	Pong                     // single CRLF that answers a ping
	Stray                    // single CRLF that answers nothing: padding, or a pong nobody asked for
	Datagram                 // UDP datagram of CRLFs, NULs, blanks or vendor filler
	StunRequest              // Binding request
	StunResponse             // Binding response, success or error
	StunOther                // STUN that is no Binding, such as an indication: not SIP, and not answered
	Kinds
)

var kindNames = [Kinds]string{"ping", "pong", "stray-crlf", "datagram", "stun-request", "stun-response", "stun-other"}

func (k Kind) String() string { return kindNames[k] }

// Outstanding is how many pings one side may have in flight before the oldest
// counts as unanswered.
const Outstanding = 4

// Side is what one end sent.
type Side struct {
	Pings, Pongs, Stun, Answers uint32
	Last                        event.Time    // newest keep-alive, 0 if none; a Binding request by its first copy
	First                       event.Time    // oldest, 0 if none
	Gap                         time.Duration // between the newest and the one before, 0 if that was the first
	Longest                     time.Duration // of all gaps
	RTT                         time.Duration // of the newest that was answered, 0 if none was
	waiting                     uint8
	sent                        [Outstanding]event.Time // of the pings that wait for a pong
	missed                      event.Time              // newest ping that was given up
	stun                        *binding                // newest Binding request, nil before the first
}

// binding is a Binding request.
type binding struct {
	id       [12]byte
	answered bool
	at       event.Time // of the first copy while it waits, else 0
	copied   event.Time // newest copy
}

// State is what one connection's two ends sent. The zero value is ready.
type State struct {
	sides      [2]Side
	unanswered uint32
	intervals
}

func index(d event.Direction) int { return int(d - event.In) }

// Sent returns what went in direction d.
func (s *State) Sent(d event.Direction) *Side { return &s.sides[index(d)] }

// Ping counts a double CRLF. It returns false if it is two pongs in one
// segment: that many pings of the other side were waiting, and this side did
// not send pings of its own between them.
func (s *State) Ping(d event.Direction, t event.Time) bool {
	s.settle(t)
	side, other := &s.sides[index(d)], &s.sides[1-index(d)]
	if other.waiting >= 2 && (side.waiting == 0 || side.sent[side.waiting-1] < other.sent[0]) {
		s.Pong(d, t)
		s.Pong(d, t)
		return false
	}
	side.Pings++
	s.interval(side, t)
	if side.waiting == Outstanding {
		s.miss(side)
	}
	side.sent[side.waiting] = t
	side.waiting++
	return true
}

// Pong counts a single CRLF. It answers the oldest ping of the other side and
// returns the time that took; ok is false if none was waiting, and then it is
// not counted as a pong.
func (s *State) Pong(d event.Direction, t event.Time) (rtt time.Duration, ok bool) {
	s.settle(t)
	pinger := &s.sides[1-index(d)]
	if pinger.waiting == 0 || t < pinger.sent[0] {
		return 0, false
	}
	rtt = t.Sub(pinger.sent[0])
	pinger.RTT = rtt
	pinger.drop()
	s.sides[index(d)].Pongs++
	return rtt, true
}

// Awaits says that a pong in direction d would answer a ping.
func (s *State) Awaits(d event.Direction) bool { return s.sides[1-index(d)].waiting > 0 }

// Datagram counts a filler datagram, which nobody has to answer.
func (s *State) Datagram(d event.Direction, t event.Time) {
	side := &s.sides[index(d)]
	side.Pings++
	s.interval(side, t)
}

func (side *Side) drop() {
	copy(side.sent[:], side.sent[1:])
	side.waiting--
}

// miss gives up the oldest ping of side.
func (s *State) miss(side *Side) {
	s.unanswered++
	side.missed = side.sent[0]
	side.drop()
}

// Waiting returns when the oldest ping of direction d was sent that may be
// answered yet at t, 0 if none waits.
func (s *State) Waiting(d event.Direction, t event.Time) event.Time {
	s.settle(t)
	if side := &s.sides[index(d)]; side.waiting > 0 {
		return side.sent[0]
	}
	return 0
}

// Missed returns when the newest ping was sent that has had no pong in time as
// of t, 0 if there is none.
func (side *Side) Missed(t event.Time) event.Time {
	missed := side.missed
	for _, at := range side.sent[:side.waiting] {
		if t.Sub(at) > PongWait {
			missed = at
		}
	}
	return missed
}

// settle gives up the keep-alives whose time for an answer has passed.
func (s *State) settle(t event.Time) {
	for i := range s.sides {
		side := &s.sides[i]
		for side.waiting > 0 && t.Sub(side.sent[0]) > PongWait {
			s.miss(side)
		}
		if r := side.stun; r != nil && r.at != 0 && t.Sub(r.at) > StunWait {
			r.at = 0
			s.unanswered++
		}
	}
}

// Unanswered returns how many keep-alives had no answer in time, as of t.
func (s *State) Unanswered(t event.Time) uint32 {
	s.settle(t)
	return s.unanswered
}

// Late is Unanswered for somebody who must not judge too early for those that
// come later: it changes nothing. next is when there may be more of them, 0 if
// no keep-alive waits.
func (s *State) Late(t event.Time) (n uint32, next event.Time) {
	n = s.unanswered
	wait := func(until event.Time) {
		switch {
		case until < t:
			n++
		case next == 0 || until < next:
			next = until + 1
		}
	}
	for i := range s.sides {
		side := &s.sides[i]
		for _, at := range side.sent[:side.waiting] {
			wait(at.Add(PongWait))
		}
		if r := side.stun; r != nil && r.at != 0 {
			wait(r.at.Add(StunWait))
		}
	}
	return n, next
}
