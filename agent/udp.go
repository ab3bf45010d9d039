// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// handleUDP takes the events of UDP sockets. A flow is a socket and a remote
// address: it begins with its first datagram and ends by silence, or with its
// socket.
func (c *Core) handleUDP(e *event.Event) {
	switch e.Kind {
	case event.Data:
		c.datagram(e)
	case event.Opened, event.Listening, event.Owner:
		c.socketKnown(e)
	case event.Figures:
		if s := c.sockets[e.Socket]; s != nil {
			s.setContainer(e)
		}
	case event.Closed:
		c.socketClosed(e)
	}
}

// socketOf returns e's socket and makes it if it is new; nil if there are too
// many.
func (c *Core) socketOf(e *event.Event) *socket {
	s := c.sockets[e.Socket]
	if s == nil {
		if len(c.sockets) >= c.cfg.MaxConnections {
			c.evicted.Sockets++
			return nil
		}
		s = &socket{cookie: e.Socket, since: e.Time}
		c.sockets[e.Socket] = s
	}
	return s
}

// socketKnown notes who holds a socket.
func (c *Core) socketKnown(e *event.Event) {
	s := c.socketOf(e)
	if s == nil {
		return
	}
	s.told = true
	if e.Owner.PID != 0 {
		s.owner = e.Owner
	}
	if e.NetNS != 0 {
		s.netns = e.NetNS
	}
	s.setContainer(e)
	if c.resume != nil && !s.woken {
		s.woken = true
		c.wake(s, e)
	}
	if e.Kind != event.Owner && e.Local.Port() != 0 {
		c.listeners.Add(e.Socket, s.netns, false, e.Local, s.owner)
	}
}

// setContainer takes the container that e names, if it does.
func (s *socket) setContainer(e *event.Event) {
	if e.Container != nil {
		s.inside = e.Container
	}
}

// socketClosed ends the flows of a socket, or the one flow that e names.
func (c *Core) socketClosed(e *event.Event) {
	if conn := c.flow(flowKey{e.Socket, unmapped(e.Remote)}, e.Time); conn != nil {
		c.endFlow(conn, e.Time, event.Local, event.HowUnknown)
	}
	s := c.sockets[e.Socket]
	if s == nil || e.Remote.Port() != 0 {
		return
	}
	for conn := s.flows.Last(); conn != nil; conn = s.flows.Last() {
		if !c.silent(conn, e.Time) {
			c.endFlow(conn, e.Time, event.Local, event.HowUnknown)
		}
	}
	delete(c.sockets, e.Socket)
	c.listeners.Remove(e.Socket)
}

// flow returns the flow, unless it has ended by silence.
func (c *Core) flow(key flowKey, t event.Time) *connection {
	conn := c.flows[key]
	if conn == nil || c.silent(conn, t) {
		return nil
	}
	return conn
}

// silent ends conn if it has been silent for long enough, and says so.
func (c *Core) silent(conn *connection, t event.Time) bool {
	if t.Sub(conn.lastDatagram()) < c.cfg.FlowTimeout {
		return false
	}
	c.expireFlow(conn)
	return true
}

func (c *Core) datagram(e *event.Event) {
	if e.Own {
		c.ownDatagram(e)
		return
	}
	if e.Length > len(e.Payload) {
		c.lost.Truncated++
	}
	key := flowKey{e.Socket, unmapped(e.Remote)}
	conn := c.flow(key, e.Time)
	if conn == nil {
		conn = c.newFlow(e, key)
		defer func() { c.peerOf(conn).Opened[event.UDP][conn.Initiator]++ }() // who began is known by then, if ever
	}
	conn.age.Join(&c.udp, conn)
	c.stale(conn)
	c.local = unmapped(e.Local)
	if e.Lost {
		conn.Incomplete = true
	}
	if e.Length > len(e.Payload) {
		conn.Incomplete = true
		conn.lostBytes += uint64(e.Length - len(e.Payload))
	}
	d := e.Direction
	conn.touched(d, e.Time)
	conn.add(d, max(e.Length, len(e.Payload)))
	kind, ok := keepalive.Classify(e.Payload)
	beat := rule.Beat{Kind: kind, Raw: e.Payload}
	switch {
	case !ok && e.Length > len(e.Payload) && !wholeHead(e.Payload):
		return
	case !ok:
		c.message(conn, d, e.Time, e.Payload, max(e.Length, len(e.Payload)), false)
		return
	case kind == keepalive.Datagram:
		conn.keepalives().Datagram(d, e.Time)
	case kind == keepalive.StunOther:
	default:
		beat.Again = kind == keepalive.StunRequest && conn.keepalives().Copied(d, e.Time, e.Payload)
		if rtt, answered := conn.keepalives().Stun(d, e.Time, kind, e.Payload); answered {
			c.peerOf(conn).RoundTrip.Observe(rtt.Seconds())
			beat.Answered, beat.RTT = true, rtt
			if d == event.In {
				c.replied(conn)
			}
		}
	}
	c.peerOf(conn).Keepalives[metrics.Application][kind][d]++
	if kind == keepalive.Datagram || kind == keepalive.StunRequest {
		conn.beginsWith(d)
	}
	c.judgeBeat(conn, d, e.Time, beat)
}

// wholeHead says whether a datagram that was cut has all of its message's
// head: what is left of one says nothing, as the rest may say otherwise.
func wholeHead(b []byte) bool {
	return bytes.Contains(b, []byte("\r\n\r\n")) || bytes.Contains(b, []byte("\n\n"))
}

// lastDatagram is when the newest one went, viaduct's own too: they keep the
// flow alive, however idle it is.
func (conn *connection) lastDatagram() event.Time {
	last := max(conn.LastIn, conn.LastOut)
	if conn.upkeep != nil {
		last = max(last, conn.upkeep.newest)
	}
	return last
}

func (c *Core) newFlow(e *event.Event, key flowKey) *connection {
	conn := c.newConnection(e)
	if conn.OpenedAt == 0 {
		conn.OpenedAt = e.Time
	}
	defer c.judge(rule.Opened, conn, e.Time)
	c.flows[key] = conn
	if s := c.socketOf(e); s != nil {
		s.add(conn)
		if conn.NetNS == 0 {
			conn.NetNS = s.netns
		}
	}
	conn.Peer.Opened++
	return conn
}

// beginsWith tells who began a flow: the sender of its first request or
// keep-alive, if nothing went before.
func (conn *connection) beginsWith(d event.Direction) {
	if conn.Initiator == event.Unknown && conn.Sent.N+conn.Received.N == 0 &&
		conn.Messages.ResponsesSent+conn.Messages.ResponsesReceived == 0 {
		conn.Initiator = side(d)
	}
}

// expireFlow ends a flow that fell silent, at the time when that was certain.
func (c *Core) expireFlow(conn *connection) {
	at := conn.lastDatagram().Add(c.cfg.FlowTimeout)
	c.endFlow(conn, at, event.Unknown, event.Expired)
}

func (c *Core) endFlow(conn *connection, t event.Time, by event.Side, how event.How) {
	c.ended(conn, &event.Event{Time: t}, by, how)
	conn.ClosedAt = t
	c.countClose(conn)
	c.judge(rule.Closed, conn, t)
	c.retire(conn)
}
