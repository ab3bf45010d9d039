// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// linger is how long a closed connection stays in its table: a segment or a
// second Closed that the source delivers late still finds it.
const linger = 5 * time.Second

// connect returns the TCP connection of e's socket and makes it if it is new.
func (c *Core) connect(e *event.Event) (conn *connection, fresh bool) {
	if conn := c.tcp[e.Socket]; conn != nil {
		if conn.ClosedAt == 0 || e.Time.Sub(conn.ClosedAt) < linger {
			c.carries(conn, e)
			return conn, false
		}
		c.retire(conn)
	}
	conn = c.newConnection(e)
	c.tcp[e.Socket] = conn
	conn.age.Join(&c.open, conn)
	return conn, true
}

// carries takes e's word for what conn carries: until a byte was seen that was
// a guess by its port. A record of TLS is the last word.
func (c *Core) carries(conn *connection, e *event.Event) {
	if e.Transport == conn.Transport || e.Transport == event.TCP && (e.Kind != event.Data || conn.wire != nil) {
		return
	}
	conn.Transport = e.Transport
	c.place(conn)
	c.stale(conn)
}

func (c *Core) newConnection(e *event.Event) *connection {
	if len(c.tcp)+len(c.flows) >= c.cfg.MaxConnections {
		c.evict()
	}
	c.lastID++
	conn := &connection{Conn: fact.Conn{
		ID:        c.lastID,
		Socket:    e.Socket,
		Sideless:  e.Sideless,
		Transport: e.Transport,
		Local:     unmapped(e.Local),
		Remote:    unmapped(e.Remote),
		First:     e.Time,
		Idle:      -1,
	}}
	conn.tx.Conn, conn.dialogs.Conn = &conn.Conn, &conn.Conn
	conn.setOwner(e)
	c.take(conn, e)
	conn.Peer = c.peers.Get(conn.Remote.Addr())
	c.place(conn)
	c.met.add(conn)
	c.stale(conn)
	return conn
}

// opened takes Opened, which may come late, twice, or for a socket that the
// scan of older sockets found at the same time.
func (c *Core) opened(e *event.Event) {
	conn, _ := c.connect(e)
	conn.setOwner(e)
	switch {
	case conn.Established:
		return
	case e.MidLife:
		conn.MidLife = true
		c.stale(conn)
		if conn.Initiator == event.Unknown {
			conn.Initiator = e.Initiator
		}
		conn.figures(e)
		c.judge(rule.Opened, conn, e.Time)
		return
	}
	c.establish(conn, e, e.Time)
	if e.Initiator == event.Local {
		return // the first bytes are never seen with a listener's socket
	}
	for _, held := range c.early.Claim(e) {
		held.Socket = e.Socket
		if held.Kind == event.Record {
			c.record(&held)
			continue
		}
		c.segment(&held)
	}
}

// establish notes how the connection began. at is when, if e does not say.
func (c *Core) establish(conn *connection, e *event.Event, at event.Time) {
	conn.Established, conn.MidLife, conn.Failed = true, false, false
	conn.Initiator = e.Initiator
	conn.handshake = e.Handshake
	conn.OpenedAt = e.OpenedAt
	if conn.OpenedAt == 0 {
		conn.OpenedAt = at
	}
	conn.nextIn, conn.nextOut = e.NextIn, e.NextOut
	if conn.streams != nil {
		c.begin(conn)
	}
	c.place(conn) // it is known now who opened it
	c.stale(conn)
	counted := c.peerOf(conn)
	counted.Opened[conn.Transport][conn.Initiator]++
	conn.Peer.Opened++
	if conn.handshake > 0 {
		conn.Peer.Handshake += conn.handshake
		counted.Handshake.Observe(conn.handshake.Seconds())
	}
	if conn.Initiator == event.Local && conn.ClosedAt == 0 {
		c.join(conn, conn.Remote.Port())
		c.outgoing.Add(&conn.Conn)
	}
	c.judge(rule.Opened, conn, conn.OpenedAt)
}

// halfClosed takes the first FIN.
func (c *Core) halfClosed(e *event.Event) {
	conn, fresh := c.connect(e)
	if fresh {
		conn.MidLife = true
	}
	if conn.EndedAt != 0 {
		return
	}
	c.ended(conn, e, side(e.Direction), event.FIN)
}

// ended notes what the connection was like at its first FIN or RST.
func (c *Core) ended(conn *connection, e *event.Event, by event.Side, how event.How) {
	t := e.Time
	conn.lastWord(by, t)
	conn.EndedAt, conn.By, conn.How = t, by, how
	conn.ByAgent = e.ByAgent
	conn.Exiting = by == event.Local && (e.Exiting || c.listeners.Stopping(&conn.Conn, t))
	conn.Pending = int32(conn.tx.Pending(t))
	conn.Idle = conn.silence(t)
	c.outgoing.Remove(&conn.Conn)
	if conn.upkeep != nil {
		c.harmedByEnd(conn)
	}
	c.judge(rule.Ended, conn, t)
}

// closedEvent takes Closed. If the connection is not known its opening was
// lost, or it never came to be.
func (c *Core) closedEvent(e *event.Event) {
	if e.Remote.Port() == 0 {
		if gone := c.listeners.Closed(e.Socket, e.Time); gone != nil {
			c.rules.GaveUp(gone, e.Time)
		}
		return
	}
	conn, fresh := c.connect(e)
	if conn.ClosedAt != 0 {
		return
	}
	conn.setOwner(e)
	if conn.Initiator == event.Unknown {
		conn.Initiator = e.Initiator
	}
	switch {
	case fresh && failedConnect(e):
		c.failedConnect(conn, e)
		return
	case !conn.Established && !e.MidLife && (fresh || e.OpenedAt != 0):
		c.establish(conn, e, 0)
	case !conn.Established:
		conn.MidLife = true
	}
	silent := conn.LastIn == 0 && conn.LastOut == 0
	conn.figures(e)
	if conn.EndedAt == 0 {
		c.ended(conn, e, e.By, e.How)
	} else if silent && (conn.LastIn != 0 || conn.LastOut != 0) {
		conn.Idle = conn.silence(conn.EndedAt) // the kernel knows what was not seen here
	}
	if conn.By == event.Unknown {
		conn.By = e.By
	}
	conn.ClosedAt = e.Time
	c.countClose(conn)
	c.judge(rule.Closed, conn, e.Time)
	c.part(conn)
	conn.age.Join(&c.closing, conn)
	c.stale(conn)
}

// failedConnect tells a connect that failed from a connection that broke down
// later and whose opening was lost.
func failedConnect(e *event.Event) bool {
	switch e.How {
	case event.Refused, event.Timeout, event.Unreachable:
		return !e.MidLife && e.Handshake == 0 && e.Counts.BytesSent == 0 && e.Counts.BytesReceived == 0
	}
	return false
}

func (c *Core) failedConnect(conn *connection, e *event.Event) {
	conn.Failed = true
	conn.Initiator = event.Local
	if e.Initiator != event.Unknown {
		conn.Initiator = e.Initiator
	}
	conn.ClosedAt, conn.EndedAt, conn.By, conn.How = e.Time, e.Time, e.By, e.How
	if e.OpenedAt != 0 {
		conn.First = e.OpenedAt
	}
	c.peerOf(conn).Failures[e.How]++
	conn.Peer.Failures++
	c.judge(rule.Closed, conn, e.Time)
	conn.age.Join(&c.closing, conn)
	c.stale(conn)
}
