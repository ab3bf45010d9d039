// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// placement is what the row of a connection depends on and may change.
type placement struct {
	process   string
	inside    *event.Container
	initiator event.Side
	transport event.Transport
	sentBy    bool // is known; it does not change then
	valid     bool // for the policy in force
}

// place looks up the row of the policy that conn belongs to, as far as it is
// known: again when more of what rows are matched by has become known.
func (c *Core) place(conn *connection) {
	now := placement{conn.owner().Name, conn.container(), conn.Initiator, conn.Transport, conn.SentBy != "", true}
	if conn.placed == now {
		return
	}
	conn.placed = now
	before := conn.Row
	conn.Row = c.row(conn)
	if conn.Row != before {
		c.stale(conn)
		c.judgePlaced(conn)
	}
}

func (c *Core) row(conn *connection) *policy.Peer {
	if len(c.cfg.Policy.Peers) == 0 {
		return &c.cfg.Policy.Fallback
	}
	s := policy.Subject{
		Remote:    conn.Remote.Addr(),
		Transport: transportNames[conn.Transport],
		Process:   conn.owner().Name,
		SentBy:    conn.SentBy,
	}
	if in := conn.container(); in != nil {
		s.Pod, s.Container = podNames(in), containerNames(in)
	}
	if name := conn.sideName(conn.Initiator); name != "unknown" {
		s.Initiator = name
	}
	s.Ports = policy.ServicePorts(s.Transport, s.Initiator, conn.Local.Port(), conn.Remote.Port())
	return c.cfg.Policy.Of(&s)
}

// owner is who holds conn's socket; flows share that of theirs.
func (conn *connection) owner() event.Process {
	if conn.Owner.PID == 0 && conn.sock != nil {
		return conn.sock.owner
	}
	return conn.Owner
}

// container is where conn's process lives; flows share that of their socket.
func (conn *connection) container() *event.Container {
	if conn.Inside == nil && conn.sock != nil {
		return conn.sock.inside
	}
	return conn.Inside
}

// podNames are what rows may call a pod: its uid, its name, and that after its
// namespace.
func podNames(in *event.Container) []string {
	var names []string
	if in.PodUID != "" {
		names = append(names, in.PodUID)
	}
	if in.Pod != "" {
		names = append(names, in.Pod, in.Namespace+"/"+in.Pod)
	}
	return names
}

// containerNames are its id and its name.
func containerNames(in *event.Container) []string {
	if in.Name == "" {
		return []string{in.ID}
	}
	return []string{in.ID, in.Name}
}

// expected is the class that the policy wants, or else what was negotiated.
func (conn *connection) expected(e *class.Evidence) (class.Class, string) {
	switch conn.Row.Class {
	case policy.Unidirectional:
		return class.Unidirectional, "policy row " + conn.Row.Name
	case policy.Bidirectional:
		return class.Bidirectional, "policy row " + conn.Row.Name
	case policy.Persist:
		return class.Persistent, "policy row " + conn.Row.Name
	}
	return class.Expected(e)
}

// expectedOf is [rule.World.Expected].
func (c *Core) expectedOf(f *fact.Conn, now event.Time) class.Class {
	conn := c.known(f)
	if conn == nil {
		return class.Undetermined
	}
	e := conn.evidence(now)
	expected, _ := conn.expected(&e)
	return expected
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
	c.by.Use(p.Names()) // whose gauges are zero now
	for _, open := range []*chain.Chain[connection]{&c.open, &c.udp, &c.closing} {
		for conn := open.First(); conn != nil; conn = conn.age.Next() {
			conn.placed.valid, conn.tally.counted = false, false
			c.place(conn)
			c.tallyOf(conn, c.now)
		}
	}
}
