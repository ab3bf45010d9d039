// SPDX-License-Identifier: Apache-2.0

package tlsbind

import (
	"slices"

	"github.com/viaduct-project/viaduct/internal/event"
)

// socket is a connection that carries TLS, with the plaintext's positions.
type socket struct {
	cookie   uint64
	like     event.Event // what is the same in every event of the socket
	openedAt event.Time  // 0 if it is older than the observation, or not known
	closedAt event.Time
	sessions []*session
	flow     [2]flow
}

// flow is one direction of the plaintext.
type flow struct {
	next  uint32 // position of the next byte
	order uint64 // of the newest call that was handed on
	begun bool
	lost  bool // bytes are missing before next, it is not known how many
}

func index(d event.Direction) int { return int(d - event.In) }

// socketOf returns the socket that e is about, and makes it if it is new. The
// result is nil at the bound.
func (b *Binder) socketOf(e *event.Event) *socket {
	s := b.sockets[e.Socket]
	if s != nil {
		return s
	}
	if len(b.sockets) >= maxSockets {
		b.counters.Evicted++
		return nil
	}
	s = &socket{cookie: e.Socket, like: event.Event{
		Kind: event.Data, Transport: event.TLS, Socket: e.Socket, NetNS: e.NetNS,
		Local: e.Local, Remote: e.Remote, MidLife: e.MidLife,
	}}
	b.sockets[e.Socket] = s
	return s
}

// Opened takes the opening of a TLS connection. Its plaintext is counted from
// the same number as its bytes, so that a stream that is whole has no gap at its
// beginning.
func (b *Binder) Opened(e *event.Event) {
	if e.Transport != event.TLS || e.Socket == 0 {
		return
	}
	s := b.socketOf(e)
	if s == nil || e.MidLife {
		return
	}
	s.openedAt = e.OpenedAt
	s.like.MidLife = false
	for i, first := range [2]uint32{e.NextIn, e.NextOut} {
		if !s.flow[i].begun {
			s.flow[i].next = first
		}
	}
}

// Closed takes the end of a socket. What was read from it before may be told
// of a little later.
func (b *Binder) Closed(cookie uint64, t event.Time) {
	s := b.sockets[cookie]
	if s == nil || s.closedAt != 0 {
		return
	}
	s.closedAt = t
	b.closing = append(b.closing, s)
}

// expireSockets forgets those that were closed some time ago.
func (b *Binder) expireSockets(now event.Time) {
	n := 0
	for ; n < len(b.closing) && now.Sub(b.closing[n].closedAt) >= linger; n++ {
		s := b.closing[n]
		delete(b.sockets, s.cookie)
		for _, of := range slices.Clone(s.sessions) {
			b.remove(of)
		}
	}
	b.closing = slices.Delete(b.closing, 0, n)
}

// hand makes an event of what s moved, if it is bound.
func (b *Binder) hand(s *session, c *Call, order uint64) {
	if c.Closes {
		b.alerted(s, c)
		return
	}
	sock := s.socket
	f := &sock.flow[index(c.Direction)]
	lost := s.lost[index(c.Direction)]
	s.lost[index(c.Direction)] = 0
	if f.order > order {
		// Another process has read or written meanwhile: there is no place for it any more.
		b.counters.Late++
		f.lost = true
		return
	}
	if !f.begun && sock.openedAt != 0 && !b.sawAll(s.key.PID, sock.openedAt) {
		f.lost = true
	}
	if f.lost && lost == 0 {
		lost = 1 // it is not known how many; the stream must show a gap
	}
	b.counters.LostBytes += uint64(lost)
	e := &b.event
	*e = sock.like
	e.Direction = c.Direction
	e.Time = c.Time
	e.Seq = f.next + uint32(lost)
	e.Length = c.Length
	e.Payload = c.Payload
	e.Lost = lost > 0
	f.next = e.Seq + uint32(c.Length)
	f.order, f.begun, f.lost = order, true, false
	b.emit(e)
}

// missed makes an event that says that bytes are missing, how many when more are
// handed on: perhaps none ever are.
func (b *Binder) missed(s *session, c *Call) {
	e := &b.event
	*e = s.socket.like
	e.Direction = c.Direction
	e.Time = c.Time
	e.Seq = s.socket.flow[index(c.Direction)].next
	e.Lost = true
	b.emit(e)
}

// alerted makes an event of a closure alert.
func (b *Binder) alerted(s *session, c *Call) {
	e := &b.event
	*e = s.socket.like
	e.Kind, e.Direction, e.Time = event.ClosureAlert, c.Direction, c.Time
	b.emit(e)
}

// sawAll says whether everything that a process did on a connection was seen.
func (b *Binder) sawAll(pid uint32, opened event.Time) bool {
	since, ok := b.since[pid]
	return ok && since <= opened
}
