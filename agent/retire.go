// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"

	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/internal/event"
)

// evict makes room: closed connections first, then UDP flows, which can be
// learned again, then the TCP connection that was silent for longest.
func (c *Core) evict() {
	switch {
	case c.closing.First() != nil:
		c.retire(c.closing.First())
	case c.udp.First() != nil:
		c.evicted.Flows++
		c.expireFlow(c.udp.First())
	case c.open.First() != nil:
		c.evicted.Connections++
		conn := c.open.First()
		c.release(conn)
		c.past.Drop(&conn.marks)
		c.met.remove(conn)
		delete(c.tcp, conn.Socket)
	}
}

// countClose adds a connection that has ended to the totals.
func (c *Core) countClose(conn *connection) {
	by := int(conn.By)
	if conn.ByAgent {
		by = metrics.ByAgent
	}
	counted := c.peerOf(conn)
	counted.Closed[conn.Transport][by][conn.How]++
	if conn.OpenedAt != 0 {
		counted.Lifetime.Observe(conn.ClosedAt.Sub(conn.OpenedAt).Seconds())
	}
	if conn.Idle >= 0 {
		counted.IdleAtClose[conn.By].Observe(conn.Idle.Seconds())
	}
	counted.Requests.Observe(float64(conn.Sent.N + conn.Received.N))
	if conn.How == event.FIN && conn.Pending == 0 && conn.Idle >= 0 && !conn.Exiting && conn.Stream() {
		conn.Peer.ClosedIdle(conn.By, conn.Idle)
	}
}

// retire moves a connection that has ended out of the tables of the living and
// keeps what the report says about it.
func (c *Core) retire(conn *connection) {
	if conn.queued {
		c.expireConn(conn, conn.ClosedAt.Add(linger))
	}
	c.finish(conn)
	c.release(conn)
	if conn.Transport == event.UDP {
		delete(c.flows, flowKey{conn.Socket, conn.Remote})
	} else {
		delete(c.tcp, conn.Socket)
	}
	if dropped := c.closed.add(conn); dropped != nil {
		c.evicted.Closed++
		c.past.Drop(&dropped.marks)
		c.met.remove(dropped)
	}
}

// release lets go of all that conn holds in tables.
func (c *Core) release(conn *connection) {
	if conn.upkeep != nil {
		c.unplan(conn.upkeep)
	}
	c.part(conn)
	c.outgoing.Remove(&conn.Conn)
	c.txs.Release(&conn.tx)
	c.dialogs.Release(&conn.dialogs)
	if conn.Neg != nil {
		c.agreements.Release(conn.Neg, cmp.Or(conn.ClosedAt, max(conn.LastIn, conn.LastOut)))
	}
	conn.age.Leave()
	if conn.sock != nil {
		s := conn.sock
		if conn.Owner.PID == 0 {
			conn.Owner = s.owner
		}
		conn.Inside = conn.container()
		s.remove(conn)
		if s.flows.Len() == 0 && !s.told {
			delete(c.sockets, s.cookie)
		}
	}
	if conn.streams != nil {
		for i := range conn.streams {
			conn.streams[i].Drop(&c.budget)
		}
		conn.streams = nil
	}
	if conn.wire != nil {
		c.dropWire(conn)
	}
	c.stale(conn)
	c.peers.Release(conn.Peer)
	conn.Peer = nil
}
