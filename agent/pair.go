// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/peer"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// learnSentBy takes from a request of the connecting peer which port it serves
// at: the sent-by of its Via, if that names the peer and not somebody behind a
// NAT.
func (c *Core) learnSentBy(conn *connection, m *message.Message) {
	if conn.Initiator != event.Remote || conn.Transport == event.UDP {
		return
	}
	if host, err := netip.ParseAddr(string(m.Via.Host)); err == nil && host.Unmap() != conn.Remote.Addr() {
		return
	}
	port := uint16(5060)
	switch {
	case m.Via.HasPort:
		port = m.Via.Port
	case m.Via.Transport == sipparse.TransportTLS:
		port = 5061
	}
	if conn.Remote.Addr() == conn.Local.Addr() && port == conn.Local.Port() {
		return // names our own listener: both ends are this host's, and not a pair
	}
	c.join(conn, port)
}

// neighbours is the key under which duplicate pairs are found.
func (conn *connection) neighbours() peer.Neighbours {
	return peer.Neighbours{
		NetNS: conn.NetNS,
		Local: conn.Local.Addr(),
		Peer:  conn.Remote.Addr(),
		Port:  conn.pairPort,
	}
}

// join adds a live connection to the table of duplicate pairs; port is what the
// peer serves at.
func (c *Core) join(conn *connection, port uint16) {
	if conn.joined || conn.ClosedAt != 0 {
		return
	}
	conn.pairPort = port
	outbound := conn.Initiator == event.Local
	conn.joined = c.peers.Join(conn.Peer, conn.neighbours(), &conn.Conn, outbound)
	if other := c.reverse(&conn.Conn); other != nil {
		if n := other.Neg; n != nil && n.Alias.By != 0 && other.Initiator == side(n.Alias.By) && !n.Alias.Used {
			n.Alias.Reversed = true
			c.stale(n.Holder.(*connection))
		}
	}
}

// reverse is [rule.World.Reverse].
func (c *Core) reverse(f *fact.Conn) *fact.Conn {
	conn := c.known(f)
	if conn == nil || !conn.joined {
		return nil
	}
	other, _ := c.peers.Reverse(conn.neighbours(), conn.Initiator == event.Local).(*fact.Conn)
	return other
}

// part removes it: it has ended.
func (c *Core) part(conn *connection) {
	if conn.joined {
		c.peers.Leave(conn.neighbours(), conn.Initiator == event.Local)
		conn.joined = false
	}
}
