// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Start is when every flow begins that is not played live.
var Start = event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

// handshake is how long each connection takes to open.
const handshake = time.Millisecond

// Core is what a flow is played into; *agent.Core is one.
type Core interface {
	Handle(*event.Event)
	Tick(event.Time)
}

// Run plays a section into a core, with a tick at each second of the flow and
// at its end, and returns the end.
func Run(c Core, s *Section) event.Time {
	events, end := Events(s)
	next := Start.Add(time.Second)
	for i := range events {
		for ; next <= events[i].Time; next = next.Add(time.Second) {
			c.Tick(next)
		}
		c.Handle(&events[i])
	}
	for ; next < end; next = next.Add(time.Second) {
		c.Tick(next)
	}
	c.Tick(end)
	return end
}

// Events returns what the kernel would tell of the flow, and when the flow
// ends. They are the caller's.
func Events(s *Section) ([]event.Event, event.Time) {
	p := player{
		socks: make(map[listener]uint64), conns: make(map[*conn]*socket), exiting: make(map[uint32]bool),
	}
	for i := range s.actions {
		p.play(&s.actions[i])
	}
	return p.events, Start.Add(s.end)
}

// player turns actions into events.
type player struct {
	events []event.Event
	cookie uint64
	socks  map[listener]uint64 // bound ones; those of UDP carry flows
	conns  map[*conn]*socket

	exiting map[uint32]bool // processes
}

// socket is a connection as the kernel has it.
type socket struct {
	cookie   uint64
	next     [2]uint32 // sequence numbers, by side
	first    [2]uint32
	last     [2]event.Time
	bytes    [2]uint64
	openedAt event.Time
	ended    bool
	lost     bool
}

// cookieOf returns the socket that is bound to an address.
func (p *player) cookieOf(over event.Transport, a netip.AddrPort) uint64 {
	l := listener{over, a}
	if p.socks[l] == 0 {
		p.cookie++
		p.socks[l] = p.cookie
	}
	return p.socks[l]
}

func (p *player) socket(c *conn) *socket {
	if s := p.conns[c]; s != nil {
		return s
	}
	s := &socket{}
	if c.transport == event.UDP {
		s.cookie = p.cookieOf(event.UDP, c.local)
	} else {
		p.cookie++
		s.cookie = p.cookie
	}
	s.first = firstSeq(c)
	s.next = s.first
	p.conns[c] = s
	return s
}

// firstSeq returns the sequence numbers of the first bytes, by side. Those of
// the local side wrap soon.
func firstSeq(c *conn) [2]uint32 {
	return [2]uint32{uint32(4294967000 - c.id), uint32(1000 * c.id)}
}

func (p *player) add(a *action, k event.Kind) *event.Event {
	e := event.Event{Kind: k, Time: Start.Add(a.at), IdleIn: -1, IdleOut: -1}
	if c := a.conn; c != nil {
		s := p.socket(c)
		e.Transport, e.Local, e.Remote = c.transport, c.local, c.remote
		e.Initiator, e.Owner, e.Socket, e.OpenedAt = c.initiator, c.owner, s.cookie, s.openedAt
	}
	p.events = append(p.events, e)
	return &p.events[len(p.events)-1]
}

func (p *player) play(a *action) {
	switch a.kind {
	case opens:
		p.opened(a)
	case fails:
		e := p.add(a, event.Closed)
		e.How, e.Failed, e.OpenedAt = a.how, true, e.Time.Add(-handshake)
		if a.how == event.Refused {
			e.By = event.Remote
		}
	case sends:
		p.data(a)
	case loses:
		s := p.socket(a.conn)
		s.next[index(a.side)] += uint32(a.size)
		s.bytes[index(a.side)] += uint64(a.size)
		s.lost = true
	case finishes:
		s := p.socket(a.conn)
		if !s.ended {
			s.ended = true
			e := p.add(a, event.HalfClosed)
			e.Direction = direction(a.side)
			e.Exiting = a.side == event.Local && p.exiting[a.conn.owner.PID]
		}
	case closes:
		p.closed(a)
	default:
		p.host(a)
	}
}

func direction(from event.Side) event.Direction {
	if from == event.Local {
		return event.Out
	}
	return event.In
}

func (p *player) opened(a *action) {
	c, s := a.conn, p.socket(a.conn)
	if c.transport == event.UDP {
		return // a flow begins with its first datagram
	}
	if c.midLife {
		e := p.add(a, event.Opened)
		e.MidLife, e.Initiator = true, event.Unknown
		return
	}
	s.openedAt = Start.Add(a.at).Add(-handshake)
	e := p.add(a, event.Opened)
	e.Handshake, e.NextOut, e.NextIn = handshake, s.first[0], s.first[1]
}

func (p *player) data(a *action) {
	s, side := p.socket(a.conn), index(a.side)
	for i, part := range segments(a) {
		e := p.add(a, event.Data)
		e.Direction, e.Length, e.Payload, e.Lost = direction(a.side), len(part), part, s.lost
		s.lost = false
		if a.conn.transport != event.UDP {
			e.Seq = s.next[side]
		}
		if a.seen >= 0 {
			e.Payload = part[:min(len(part), max(0, a.seen-i*len(segments(a)[0])))]
		}
		s.next[side] += uint32(len(part))
		s.bytes[side] += uint64(len(part))
		s.last[side] = e.Time
	}
}

// segments cuts the data of an action into as many parts as it says, of about
// the same size.
func segments(a *action) [][]byte {
	n := max(1, min(a.split, len(a.data)))
	size := (len(a.data) + n - 1) / n
	var parts [][]byte
	for rest := a.data; len(rest) > 0; {
		cut := min(size, len(rest))
		parts = append(parts, rest[:cut])
		rest = rest[cut:]
	}
	return parts
}

func (p *player) closed(a *action) {
	e, s := p.add(a, event.Closed), p.socket(a.conn)
	e.By, e.How = a.side, a.how
	e.Exiting = a.side == event.Local && p.exiting[a.conn.owner.PID]
	e.Counts = event.Counts{BytesSent: s.bytes[0], BytesReceived: s.bytes[1]}
	if a.conn.midLife {
		e.MidLife, e.Initiator = true, event.Unknown
	} else {
		e.Handshake, e.NextOut, e.NextIn = handshake, s.first[0], s.first[1]
		e.Counts.SRTT = handshake
	}
	for i, idle := range []*time.Duration{&e.IdleOut, &e.IdleIn} {
		if s.last[i] != 0 {
			*idle = e.Time.Sub(s.last[i])
		}
	}
}

// host plays what is of no connection.
func (p *player) host(a *action) {
	if a.kind == exits {
		p.exiting[a.owner.PID] = true
		return
	}
	e := p.add(a, event.Listening)
	if a.kind == unlistens {
		e.Kind, e.By = event.Closed, event.Local
	}
	e.Owner, e.Transport, e.Local, e.Socket = a.owner, a.over, a.addr, p.cookieOf(a.over, a.addr)
	if a.kind == unlistens {
		delete(p.socks, listener{a.over, a.addr})
	}
}
