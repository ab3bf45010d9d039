// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Start is when every flow begins that is not played live.
var Start = event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

// Handshake is how long each connection takes to open.
const Handshake = time.Millisecond

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
		socks: make(map[listener]uint64), conns: make(map[*Conn]*socket), exiting: make(map[uint32]bool),
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
	conns  map[*Conn]*socket

	exiting map[uint32]bool // processes
}

// socket is a connection as the kernel has it.
type socket struct {
	cookie   uint64
	next     [2]uint32 // sequence numbers, by side
	sealed   [2]uint32 // of what is on the wire of TLS
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

func (p *player) socket(c *Conn) *socket {
	if s := p.conns[c]; s != nil {
		return s
	}
	s := &socket{}
	if c.Transport == event.UDP {
		s.cookie = p.cookieOf(event.UDP, c.Local)
	} else {
		p.cookie++
		s.cookie = p.cookie
	}
	s.first = c.FirstSeq()
	s.next, s.sealed = s.first, s.first
	p.conns[c] = s
	return s
}

func (p *player) add(a *Action, k event.Kind) *event.Event {
	e := event.Event{Kind: k, Time: Start.Add(a.At), IdleIn: -1, IdleOut: -1}
	if c := a.Conn; c != nil {
		s := p.socket(c)
		e.Transport, e.Local, e.Remote = c.Transport, c.Local, c.Remote
		e.Initiator, e.Owner, e.Socket, e.OpenedAt = c.Initiator, c.Owner, s.cookie, s.openedAt
	}
	p.events = append(p.events, e)
	return &p.events[len(p.events)-1]
}

func (p *player) play(a *Action) {
	switch a.Act {
	case Opens:
		p.opened(a)
	case Fails:
		e := p.add(a, event.Closed)
		e.How, e.Failed, e.OpenedAt = a.How, true, e.Time.Add(-Handshake)
		e.NextOut = p.socket(a.Conn).first[0]
		if a.How == event.Refused {
			e.By = event.Remote
		}
	case Sends:
		p.data(a)
	case Seals:
		s, side := p.socket(a.Conn), Index(a.Side)
		e := p.add(a, event.Record)
		e.Direction, e.Seq, e.Length, e.Payload = direction(a.Side), s.sealed[side], len(a.Data), a.Data
		s.sealed[side] += uint32(len(a.Data))
	case Loses:
		s := p.socket(a.Conn)
		s.next[Index(a.Side)] += uint32(a.Size)
		s.bytes[Index(a.Side)] += uint64(a.Size)
		s.lost = true
	case Finishes:
		s := p.socket(a.Conn)
		if !s.ended {
			s.ended = true
			e := p.add(a, event.HalfClosed)
			e.Direction = direction(a.Side)
			e.Exiting = a.Side == event.Local && p.exiting[a.Conn.Owner.PID]
		}
	case Closes:
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

func (p *player) opened(a *Action) {
	c, s := a.Conn, p.socket(a.Conn)
	if c.Transport == event.UDP {
		return // a flow begins with its first datagram
	}
	if c.MidLife {
		e := p.add(a, event.Opened)
		e.MidLife, e.Initiator = true, event.Unknown
		return
	}
	s.openedAt = Start.Add(a.At).Add(-Handshake)
	e := p.add(a, event.Opened)
	e.Handshake, e.NextOut, e.NextIn = Handshake, s.first[0], s.first[1]
}

func (p *player) data(a *Action) {
	s, side := p.socket(a.Conn), Index(a.Side)
	for i, part := range a.Segments() {
		e := p.add(a, event.Data)
		e.Direction, e.Length, e.Payload, e.Lost = direction(a.Side), len(part), part, s.lost
		e.Own = a.Own
		s.lost = false
		if a.Conn.Transport != event.UDP {
			e.Seq = s.next[side]
		}
		if a.Seen >= 0 {
			e.Payload = part[:min(len(part), max(0, a.Seen-i*len(a.Segments()[0])))]
		}
		s.next[side] += uint32(len(part))
		s.bytes[side] += uint64(len(part))
		s.last[side] = e.Time
	}
}

func (p *player) closed(a *Action) {
	e, s := p.add(a, event.Closed), p.socket(a.Conn)
	e.By, e.How = a.Side, a.How
	e.Exiting = a.Side == event.Local && p.exiting[a.Conn.Owner.PID]
	e.Counts = event.Counts{BytesSent: s.bytes[0], BytesReceived: s.bytes[1]}
	if a.Conn.MidLife {
		e.MidLife, e.Initiator = true, event.Unknown
	} else {
		e.Handshake, e.NextOut, e.NextIn = Handshake, s.first[0], s.first[1]
		e.Counts.SRTT = Handshake
	}
	for i, idle := range []*time.Duration{&e.IdleOut, &e.IdleIn} {
		if s.last[i] != 0 {
			*idle = e.Time.Sub(s.last[i])
		}
	}
}

// host plays what is of no connection.
func (p *player) host(a *Action) {
	if a.Act == Exits {
		p.exiting[a.Owner.PID] = true
		return
	}
	e := p.add(a, event.Listening)
	if a.Act == Unlistens {
		e.Kind, e.By = event.Closed, event.Local
	}
	e.Owner, e.Transport, e.Local, e.Socket = a.Owner, a.Over, a.Addr, p.cookieOf(a.Over, a.Addr)
	if a.Act == Unlistens {
		delete(p.socks, listener{a.Over, a.Addr})
	}
}
