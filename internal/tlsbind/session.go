// SPDX-License-Identifier: Apache-2.0

package tlsbind

import (
	"slices"

	"github.com/viaduct-project/viaduct/internal/event"
)

// session is a TLS session as one process sees it.
type session struct {
	key    Session
	socket *socket // nil: not bound
	doubts int     // fragments in a row that were found nowhere
	given  int     // calls in a row whose plaintext nobody claimed
	lost   [2]int  // plaintext bytes dropped since the last that was handed on
	held   []held
	bytes  int // in held
}

// held is a call that waits for evidence.
type held struct {
	Call
	order uint64
}

// sessionOf returns the session of a call, and makes it if it is new.
func (b *Binder) sessionOf(key Session) *session {
	same := b.sessions[key.Address]
	for _, s := range same {
		if s.key.PID == key.PID {
			return s
		}
	}
	if b.gauges.Sessions >= maxSessions {
		b.evict()
	}
	s := &session{key: key}
	b.sessions[key.Address] = append(same, s)
	b.gauges.Sessions++
	return s
}

// evict forgets all sessions that are not bound: they are bound when they show
// evidence again.
func (b *Binder) evict() {
	for _, same := range b.sessions {
		for _, s := range slices.Clone(same) {
			if s.socket == nil {
				b.remove(s)
				b.counters.Evicted++
			}
		}
	}
}

// remove forgets a session. What it holds may still be claimed by a record that
// was asked for.
func (b *Binder) remove(s *session) {
	b.unbind(s)
	same := b.sessions[s.key.Address]
	i := slices.Index(same, s)
	if i < 0 {
		return
	}
	b.gauges.Sessions--
	if len(same) == 1 {
		delete(b.sessions, s.key.Address)
		return
	}
	b.sessions[s.key.Address] = slices.Delete(same, i, i+1)
}

func (b *Binder) unbind(s *session) {
	if s.socket == nil {
		return
	}
	all := s.socket.sessions
	if i := slices.Index(all, s); i >= 0 {
		s.socket.sessions = slices.Delete(all, i, i+1)
	}
	s.socket = nil
	b.gauges.Bound--
}

// Gone takes the end of a session object in one process. If others may share it,
// another session may come to lie at the same address, and all of that address
// need evidence again; else what they have there is their own.
func (b *Binder) Gone(key Session, shared bool) {
	for _, s := range slices.Clone(b.sessions[key.Address]) {
		if shared || s.key.PID == key.PID {
			b.remove(s)
		}
	}
}

// Followed says that everything that a process does in its TLS library has been
// seen since a moment.
func (b *Binder) Followed(pid uint32, since event.Time) { b.since[pid] = since }

// Unfollowed says that a process is gone, or that it is not looked at any more.
func (b *Binder) Unfollowed(pid uint32) {
	delete(b.since, pid)
	for _, same := range b.sessions {
		for _, s := range slices.Clone(same) {
			if s.key.PID == pid {
				b.remove(s)
			}
		}
	}
}

// proves takes a fragment of s that went by on sock.
func (b *Binder) proves(s *session, sock *socket) {
	s.doubts, s.given = 0, 0
	switch s.socket {
	case sock:
		b.counters.Confirmed++
		return
	case nil:
	default:
		b.counters.Conflicting++
		b.unbind(s)
		s.lost = [2]int{}
	}
	s.socket = sock
	sock.sessions = append(sock.sessions, s)
	b.counters.Bound++
	b.gauges.Bound++
	b.release(s)
}

// doubt takes a fragment of s that has not gone by, or not yet.
func (b *Binder) doubt(s *session) {
	s.doubts++
	if s.socket != nil && s.doubts >= doubtAfter {
		b.counters.Doubted++
		b.unbind(s)
	}
}

// hold keeps what s moved until a record tells whose it is.
func (b *Binder) hold(s *session, c *Call, order uint64) {
	const patience = 8 // after so many the session is taken to be on something else than SIP
	if s.given >= patience || s.bytes+c.Length > maxSessionHeld || b.gauges.Held+c.Length > maxHeld {
		b.drop(s, c)
		return
	}
	kept := held{Call: *c, order: order}
	kept.Payload = slices.Clone(c.Payload)
	s.held = append(s.held, kept)
	s.bytes += c.Length
	b.gauges.Held += c.Length
	if len(s.held) == 1 {
		b.holding = append(b.holding, s)
	}
}

// drop counts plaintext that nobody claimed.
func (b *Binder) drop(s *session, c *Call) {
	if c.Closes {
		return
	}
	b.counters.UnboundCalls++
	b.counters.UnboundBytes += uint64(c.Length)
	s.lost[index(c.Direction)] += c.Length
	s.given++
}

// release hands on what waited for s to be bound.
func (b *Binder) release(s *session) {
	waited := s.held
	b.gauges.Held -= s.bytes
	s.held, s.bytes = nil, 0
	for i := range waited {
		b.hand(s, &waited[i].Call, waited[i].order)
	}
}

// expireHeld drops what has waited too long.
func (b *Binder) expireHeld(now event.Time) {
	b.holding = slices.DeleteFunc(b.holding, func(s *session) bool {
		n := 0
		for ; n < len(s.held) && now.Sub(s.held[n].Time) >= holdFor; n++ {
			c := &s.held[n].Call
			s.bytes -= c.Length
			b.gauges.Held -= c.Length
			b.drop(s, c)
		}
		s.held = slices.Delete(s.held, 0, n)
		return len(s.held) == 0
	})
}
