// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/viaduct-project/viaduct/internal/event"

// evict makes room: closed connections first, then UDP flows, which can be
// learned again, then the TCP connection that was silent for longest.
func (c *Core) evict() {
	switch {
	case c.closing.oldest != nil:
		c.retire(c.closing.oldest)
	case c.udp.oldest != nil:
		c.evicted.Flows++
		c.expireFlow(c.udp.oldest)
	case c.open.oldest != nil:
		c.evicted.Connections++
		conn := c.open.oldest
		c.release(conn)
		delete(c.tcp, conn.socket)
	}
}

// countClose adds a connection that has ended to the totals.
func (c *Core) countClose(conn *connection) {
	c.counters.Closed[conn.transport][conn.by][conn.how]++
	if conn.openedAt != 0 {
		c.counters.Lifetime.Observe(conn.closedAt.Sub(conn.openedAt).Seconds())
	}
	if conn.idle >= 0 {
		c.counters.IdleAtClose[conn.by].Observe(conn.idle.Seconds())
	}
	c.counters.Requests.Observe(float64(conn.sent.N + conn.received.N))
	if conn.by == event.Remote && conn.how == event.FIN && conn.pending == 0 && conn.idle >= 0 {
		conn.peer.ClosedIdle(conn.idle)
	}
}

// retire moves a connection that has ended out of the tables of the living and
// keeps what the report says about it.
func (c *Core) retire(conn *connection) {
	if conn.queued && conn.streams != nil {
		c.expireStreams(conn, conn.closedAt.Add(linger))
	}
	c.finish(conn)
	c.release(conn)
	if conn.transport == event.UDP {
		delete(c.flows, flowKey{conn.socket, conn.remote})
	} else {
		delete(c.tcp, conn.socket)
	}
	if c.closed.add(conn) {
		c.evicted.Closed++
	}
}

// release lets go of all that conn holds in tables.
func (c *Core) release(conn *connection) {
	c.part(conn)
	c.txs.Release(&conn.tx)
	c.dialogs.Release(&conn.dialogs)
	conn.leave()
	if conn.sock != nil {
		s := conn.sock
		if conn.owner.PID == 0 {
			conn.owner = s.owner
		}
		s.remove(conn)
		if s.newest == nil && !s.told {
			delete(c.sockets, s.cookie)
		}
	}
	if conn.streams != nil {
		for i := range conn.streams {
			conn.streams[i].Drop(&c.budget)
		}
		conn.streams = nil
	}
	conn.countUnanswered(&c.counters, max(conn.closedAt, conn.first))
	c.peers.Release(conn.peer)
	conn.peer = nil
}
