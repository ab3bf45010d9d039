// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// linger is how long a closed connection stays in its table: a segment or a
// second Closed that the source delivers late still finds it.
const linger = 5 * time.Second

// connect returns the TCP connection of e's socket and makes it if it is new.
func (c *Core) connect(e *event.Event) (conn *connection, fresh bool) {
	if conn := c.tcp[e.Socket]; conn != nil {
		if conn.closedAt == 0 || e.Time.Sub(conn.closedAt) < linger {
			return conn, false
		}
		c.retire(conn)
	}
	conn = c.newConnection(e)
	if e.Transport == event.TLS {
		conn.transport = event.TLS
	}
	c.tcp[e.Socket] = conn
	c.open.put(conn)
	return conn, true
}

func (c *Core) newConnection(e *event.Event) *connection {
	if len(c.tcp)+len(c.flows) >= c.cfg.MaxConnections {
		c.evict()
	}
	c.lastID++
	conn := &connection{
		id:        c.lastID,
		socket:    e.Socket,
		transport: e.Transport,
		local:     unmapped(e.Local),
		remote:    unmapped(e.Remote),
		first:     e.Time,
		idle:      -1,
	}
	conn.setOwner(e)
	conn.peer = c.peers.Get(conn.remote.Addr())
	return conn
}

// opened takes Opened, which may come late, twice, or for a socket that the
// scan of older sockets found at the same time.
func (c *Core) opened(e *event.Event) {
	conn, _ := c.connect(e)
	conn.setOwner(e)
	switch {
	case conn.established:
		return
	case e.MidLife:
		conn.midLife = true
		if conn.initiator == event.Unknown {
			conn.initiator = e.Initiator
		}
		conn.figures(e)
		return
	}
	c.establish(conn, e, e.Time)
	if e.Initiator == event.Local {
		return // the first bytes are never seen with a listener's socket
	}
	for _, held := range c.early.Claim(e) {
		held.Socket = e.Socket
		c.segment(&held)
	}
}

// establish notes how the connection began. at is when, if e does not say.
func (c *Core) establish(conn *connection, e *event.Event, at event.Time) {
	conn.established, conn.midLife, conn.failed = true, false, false
	conn.initiator = e.Initiator
	conn.handshake = e.Handshake
	conn.openedAt = e.OpenedAt
	if conn.openedAt == 0 {
		conn.openedAt = at
	}
	conn.nextIn, conn.nextOut = e.NextIn, e.NextOut
	if conn.streams != nil {
		c.begin(conn)
	}
	c.counters.Opened[conn.transport][conn.initiator]++
	conn.peer.Opened++
	if conn.handshake > 0 {
		conn.peer.Handshake += conn.handshake
		c.counters.Handshake.Observe(conn.handshake.Seconds())
	}
	if conn.initiator == event.Local && conn.closedAt == 0 {
		c.join(conn, conn.remote.Port())
	}
}

// halfClosed takes the first FIN.
func (c *Core) halfClosed(e *event.Event) {
	conn, fresh := c.connect(e)
	if fresh {
		conn.midLife = true
	}
	if conn.endedAt != 0 {
		return
	}
	c.ended(conn, e.Time, side(e.Direction), event.FIN)
}

// ended notes what the connection was like at its first FIN or RST.
func (c *Core) ended(conn *connection, t event.Time, by event.Side, how event.How) {
	conn.endedAt, conn.by, conn.how = t, by, how
	conn.pending = int32(conn.tx.Pending(t))
	conn.idle = conn.silence(t)
}

// closedEvent takes Closed. If the connection is not known its opening was
// lost, or it never came to be.
func (c *Core) closedEvent(e *event.Event) {
	if e.Remote.Port() == 0 {
		return // a listener
	}
	conn, fresh := c.connect(e)
	if conn.closedAt != 0 {
		return
	}
	conn.setOwner(e)
	if conn.initiator == event.Unknown {
		conn.initiator = e.Initiator
	}
	switch {
	case fresh && failedConnect(e):
		c.failedConnect(conn, e)
		return
	case !conn.established && !e.MidLife && (fresh || e.OpenedAt != 0):
		c.establish(conn, e, 0)
	case !conn.established:
		conn.midLife = true
	}
	silent := conn.lastIn == 0 && conn.lastOut == 0
	conn.figures(e)
	if conn.endedAt == 0 {
		c.ended(conn, e.Time, e.By, e.How)
	} else if silent && (conn.lastIn != 0 || conn.lastOut != 0) {
		conn.idle = conn.silence(conn.endedAt) // the kernel knows what was not seen here
	}
	if conn.by == event.Unknown {
		conn.by = e.By
	}
	conn.closedAt = e.Time
	c.countClose(conn)
	c.part(conn)
	c.closing.put(conn)
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
	conn.failed = true
	conn.initiator = event.Local
	if e.Initiator != event.Unknown {
		conn.initiator = e.Initiator
	}
	conn.closedAt, conn.endedAt, conn.by, conn.how = e.Time, e.Time, e.By, e.How
	if e.OpenedAt != 0 {
		conn.first = e.OpenedAt
	}
	c.counters.Failures[e.How]++
	conn.peer.Failures++
	c.closing.put(conn)
}
