// SPDX-License-Identifier: Apache-2.0

package tlsbind

import "github.com/viaduct-project/viaduct/internal/event"

// Binder joins what libraries moved with what went by on sockets.
type Binder struct {
	emit  func(*event.Event)
	event event.Event

	wire  recent[uint64]   // socket that a record went by on; 0: more than one
	asked recent[*session] // session whose record has not gone by yet

	sessions map[uint64][]*session // by address
	sockets  map[uint64]*socket
	since    map[uint32]event.Time // processes that are followed
	closing  []*socket             // in the order of their ends
	holding  []*session
	order    uint64

	counters Counters
	gauges   Gauges
}

// New returns a Binder that hands the plaintext of bound sessions to emit, as
// events of kind Data. The event is reused, and its payload valid during the call
// only.
func New(emit func(*event.Event)) *Binder {
	return &Binder{
		emit:     emit,
		wire:     newRecent[uint64](maxRecords),
		asked:    newRecent[*session](maxRecords),
		sessions: make(map[uint64][]*session),
		sockets:  make(map[uint64]*socket),
		since:    make(map[uint32]event.Time),
	}
}

const (
	headerBytes     = 5
	applicationData = 23 // RFC 8446 section 5.1; in TLS 1.3 of everything that is encrypted
)

// Record takes what went by on a socket: an event of kind Record. Only a record
// of encrypted data whose beginning is all there tells anything.
func (b *Binder) Record(e *event.Event) {
	p := place{direction: e.Direction}
	if e.Socket == 0 || len(e.Payload) < headerBytes+len(p.fragment) || e.Payload[0] != applicationData {
		return
	}
	copy(p.fragment[:], e.Payload[headerBytes:])
	sock := b.socketOf(e)
	if sock == nil {
		return
	}
	cookie := sock.cookie
	if on, ok := b.wire.get(p); ok && on != cookie {
		cookie = 0 // a relay on this host: it went by on both of its sides
	}
	b.wire.put(p, cookie)
	if s, ok := b.asked.take(p); ok && cookie != 0 {
		b.proves(s, sock)
	}
}

// Call takes what one call of a library moved.
func (b *Binder) Call(c *Call) {
	b.order++
	s := b.sessionOf(c.Session)
	s.lost[index(c.Direction)] += c.Lost
	if c.HasFragment {
		b.fragment(s, place{c.Direction, c.Fragment})
	}
	switch {
	case c.Length == 0 && c.Lost > 0 && s.socket != nil:
		b.missed(s, c)
	case c.Length == 0 && !c.Closes:
	case s.socket == nil:
		b.hold(s, c, b.order)
	default:
		b.hand(s, c, b.order)
	}
}

func (b *Binder) fragment(s *session, p place) {
	cookie, ok := b.wire.get(p)
	if !ok {
		b.asked.put(p, s)
		b.doubt(s)
		return
	}
	if sock := b.sockets[cookie]; sock != nil {
		b.proves(s, sock)
	}
}

// Tick lets time pass: what has waited too long is dropped.
func (b *Binder) Tick(now event.Time) {
	b.expireHeld(now)
	b.expireSockets(now)
}

// Counters returns the totals.
func (b *Binder) Counters() Counters { return b.counters }

// Gauges returns how much there is now.
func (b *Binder) Gauges() Gauges {
	g := b.gauges
	g.Sockets = len(b.sockets)
	return g
}

// Bound says whether plaintext of a socket's connection has been seen in a
// session that is bound to it.
func (b *Binder) Bound(cookie uint64) bool {
	s := b.sockets[cookie]
	return s != nil && (s.flow[0].begun || s.flow[1].begun)
}
