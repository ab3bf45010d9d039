// SPDX-License-Identifier: Apache-2.0

// Package script writes the events of a scripted conversation, for tests.
package script

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Start is when every script begins.
var Start = event.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

// Script collects events in order. Its clock stands still until Wait.
type Script struct {
	Now    event.Time
	Events []event.Event
	cookie uint64
}

// New returns an empty script.
func New() *Script { return &Script{Now: Start} }

// Wait lets time pass.
func (s *Script) Wait(d time.Duration) { s.Now = s.Now.Add(d) }

func (s *Script) add(e event.Event) {
	e.Time = s.Now
	s.Events = append(s.Events, e)
}

// Conn is one scripted socket. Change its fields before the first event.
type Conn struct {
	S             *Script
	Socket        uint64
	Transport     event.Transport
	Local, Remote netip.AddrPort
	Initiator     event.Side
	Owner         event.Process
	NetNS         uint64
	Sideless      bool
	SeqIn, SeqOut uint32 // of the next bytes
	OpenedAt      event.Time
	NextIn        uint32
	NextOut       uint32
}

// TCP returns a connection that local opens to remote, or the other way round.
func (s *Script) TCP(initiator event.Side, local, remote string) *Conn {
	s.cookie++
	return &Conn{
		S: s, Socket: s.cookie, Transport: event.TCP, Initiator: initiator,
		Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote),
		Owner: event.Process{PID: 4242, Name: "proxy"},
		SeqIn: 1000, SeqOut: 4294967000, // the second one wraps soon
	}
}

// UDP returns a flow.
func (s *Script) UDP(local, remote string) *Conn {
	c := s.TCP(event.Unknown, local, remote)
	c.Transport = event.UDP
	return c
}

// Event returns an event of the connection that is not added yet.
func (c *Conn) Event(k event.Kind) event.Event {
	return event.Event{
		Kind: k, Transport: c.Transport, Socket: c.Socket, NetNS: c.NetNS,
		Local: c.Local, Remote: c.Remote, Initiator: c.Initiator, Sideless: c.Sideless, Owner: c.Owner, OpenedAt: c.OpenedAt,
		NextIn: c.NextIn, NextOut: c.NextOut, IdleIn: -1, IdleOut: -1,
	}
}

// Open adds Opened, with a handshake of a millisecond.
func (c *Conn) Open() *Conn {
	c.NextIn, c.NextOut, c.OpenedAt = c.SeqIn, c.SeqOut, c.S.Now
	e := c.Event(event.Opened)
	e.Handshake = time.Millisecond
	c.S.add(e)
	return c
}

// MidLife adds the Opened of a socket that is older than the observation.
func (c *Conn) MidLife() *Conn {
	e := c.Event(event.Opened)
	e.MidLife, e.Initiator = true, event.Unknown
	c.S.add(e)
	return c
}

// Data adds bytes in direction d, at the next sequence number.
func (c *Conn) Data(d event.Direction, b string) {
	seq := &c.SeqIn
	if d == event.Out {
		seq = &c.SeqOut
	}
	c.Segment(d, *seq, b)
	*seq += uint32(len(b))
}

// In and Out add bytes that the remote or the local side sent.
func (c *Conn) In(b string)  { c.Data(event.In, b) }
func (c *Conn) Out(b string) { c.Data(event.Out, b) }

// Segment adds bytes at a sequence number, and does not move the next one.
func (c *Conn) Segment(d event.Direction, seq uint32, b string) {
	e := c.Event(event.Data)
	e.Direction, e.Payload, e.Length = d, []byte(b), len(b)
	if c.Transport != event.UDP {
		e.Seq = seq
	}
	c.S.add(e)
}

// FIN adds the first FIN.
func (c *Conn) FIN(d event.Direction) {
	e := c.Event(event.HalfClosed)
	e.Direction = d
	c.S.add(e)
}

// Close adds Closed.
func (c *Conn) Close(by event.Side, how event.How) {
	e := c.Event(event.Closed)
	e.By, e.How = by, how
	if c.OpenedAt != 0 {
		e.Handshake = time.Millisecond
	}
	c.S.add(e)
}

// Last returns the newest event, to be changed.
func (s *Script) Last() *event.Event { return &s.Events[len(s.Events)-1] }
