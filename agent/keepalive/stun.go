// SPDX-License-Identifier: Apache-2.0

package keepalive

import (
	"encoding/binary"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// STUN header, RFC 8489 section 5:
//
//	0      2      4             8                    20
//	| type | len  | magic cookie| transaction id (12) | attributes
const (
	stunHeader  = 20
	stunCookie  = 0x2112A442
	bindRequest = 0x0001
	bindSuccess = 0x0101
	bindError   = 0x0111
)

// Classify says which kind of keep-alive a datagram is; ok is false if it is
// none. Filler is a datagram of nothing but CR, LF, NUL and blanks, or one too
// short to be anything else.
func Classify(b []byte) (k Kind, ok bool) {
	if len(b) >= stunHeader && b[0]&0xC0 == 0 && binary.BigEndian.Uint32(b[4:]) == stunCookie {
		return KindOf(b), true
	}
	const shortest = 5 // no start-line, and no STUN header, is shorter
	if len(b) < shortest {
		return Datagram, true
	}
	for _, c := range b {
		if c != '\r' && c != '\n' && c != 0 && c != ' ' {
			return 0, false
		}
	}
	return Datagram, true
}

// KindOf is the kind of the STUN message that begins with b, two bytes or more.
func KindOf(b []byte) Kind {
	switch binary.BigEndian.Uint16(b) {
	case bindRequest:
		return StunRequest
	case bindSuccess, bindError:
		return StunResponse
	}
	return StunOther
}

// copyWait is how long after one copy of a Binding request the next may come
// and be a retransmission: the longest interval of RFC 8489 section 6.2.1 is
// 16 s. An id may be used again for a new keep-alive of the same bytes
// (section 5).
const copyWait = 20 * time.Second

// Copied says whether b, a Binding request that goes in direction d, is a
// retransmission of the newest one. Ask before Stun counts it.
func (s *State) Copied(d event.Direction, t event.Time, b []byte) bool {
	r := s.sides[index(d)].stun
	return r != nil && !r.answered && t.Sub(r.copied) <= copyWait && r.id == [12]byte(b[8:stunHeader])
}

// Stun counts a Binding request or response b, which Classify has seen. A
// request that repeats its transaction id is one keep-alive, timed by the
// first copy. For the first answer it returns the round trip and true.
func (s *State) Stun(d event.Direction, t event.Time, k Kind, b []byte) (rtt time.Duration, ok bool) {
	s.settle(t)
	id := [12]byte(b[8:stunHeader])
	if k == StunRequest {
		side := &s.sides[index(d)]
		if s.Copied(d, t, b) {
			side.stun.copied = t
			return 0, false
		}
		if side.stun == nil {
			side.stun = new(binding)
		}
		if side.stun.at != 0 {
			s.unanswered++ // given up for a new one
		}
		side.Stun++
		*side.stun = binding{id: id, at: t, copied: t}
		s.interval(side, t)
		return 0, false
	}
	r := s.sides[1-index(d)].stun
	if r == nil || r.id != id || r.answered {
		return 0, false
	}
	rtt = t.Sub(r.at)
	r.answered = true
	if r.at == 0 {
		return 0, false // too late: already counted as unanswered
	}
	r.at = 0
	s.sides[1-index(d)].RTT = rtt
	s.sides[index(d)].Answers++
	return rtt, true
}
