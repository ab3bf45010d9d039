// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// placement is what the row of a connection depends on and may change.
type placement struct {
	policy    *policy.Policy
	initiator event.Side
	transport event.Transport
	process   string
	sentBy    string
}

// place looks up the row of the policy that conn belongs to, as far as it is
// known: again when more of what rows are matched by has become known.
func (c *Core) place(conn *connection) {
	now := placement{c.cfg.Policy, conn.Initiator, conn.Transport, conn.owner().Name, conn.SentBy}
	if conn.placed == now {
		return
	}
	conn.placed = now
	if len(c.cfg.Policy.Peers) == 0 {
		conn.Row = &c.cfg.Policy.Fallback
		return
	}
	s := policy.Subject{
		Remote:    conn.Remote.Addr(),
		Transport: transportNames[conn.Transport],
		Process:   conn.owner().Name,
		SentBy:    conn.SentBy,
	}
	if name := conn.sideName(conn.Initiator); name != "unknown" {
		s.Initiator = name
	}
	s.Ports = policy.ServicePorts(s.Transport, s.Initiator, conn.Local.Port(), conn.Remote.Port())
	conn.Row = c.cfg.Policy.Of(&s)
}

// owner is who holds conn's socket; flows share that of theirs.
func (conn *connection) owner() event.Process {
	if conn.Owner.PID == 0 && conn.sock != nil {
		return conn.sock.owner
	}
	return conn.Owner
}

// named notes the host in the Via of a request of the peer's, the first one of
// the connection, if rows are matched by it.
func (c *Core) named(conn *connection, m *message.Message) {
	if conn.SentBy == "" && c.cfg.Policy.AsksForSentBy() {
		conn.SentBy = string(m.Via.Host[:min(len(m.Via.Host), 255)])
	}
}

// SetPolicy puts another policy in force, for the connections that are open
// too. It must not change afterwards.
func (c *Core) SetPolicy(p *policy.Policy) {
	c.cfg.Policy = p
	for _, open := range []*list{&c.open, &c.udp, &c.closing} {
		for conn := open.oldest; conn != nil; conn = conn.younger {
			c.place(conn)
		}
	}
}
