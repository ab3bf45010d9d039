// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/saved"
	"github.com/viaduct-project/viaduct/internal/event"
)

// resumable is how long a restored flow may be silent: the source tells of one
// only when it is used. Agreed keep-alives come sooner.
const resumable = 2 * time.Hour

// Save returns what the next agent on this host needs to know of the open
// connections, without the host's boot id, which the caller knows.
func (c *Core) Save() *saved.State {
	s := &saved.State{Format: saved.Format, Connections: []saved.Connection{}, Programs: c.programs.Save()}
	for _, negotiated := range []bool{true, false} {
		for _, open := range []*chain.Chain[connection]{&c.open, &c.udp} {
			for conn := open.Last(); conn != nil; conn = conn.age.Prev() {
				if (conn.Neg != nil) != negotiated || !conn.memorable() {
					continue
				}
				if len(s.Connections) < saved.MaxConnections {
					s.Connections = append(s.Connections, conn.save())
				} else {
					s.Omitted++
				}
			}
		}
	}
	for _, r := range c.resume {
		if len(s.Connections) < saved.MaxConnections {
			s.Connections = append(s.Connections, *r)
		} else {
			s.Omitted++
		}
	}
	return s
}

// memorable says whether more is known of conn than the kernel could tell.
func (conn *connection) memorable() bool {
	m := &conn.Messages
	return conn.Open() && !conn.Sideless &&
		(conn.Neg != nil || m.RequestsSent+m.RequestsReceived+m.ResponsesSent+m.ResponsesReceived > 0)
}

func (conn *connection) save() saved.Connection {
	s := saved.Connection{
		Socket: conn.Socket, NetNS: conn.NetNS, Transport: conn.Transport, Local: conn.Local, Remote: conn.Remote,
		Initiator: conn.Initiator, Opened: conn.OpenedAt,
		Messages: conn.Messages, Sent: conn.Sent, Received: conn.Received, Registered: conn.Registered, SentBy: conn.SentBy,
	}
	if conn.Transport == event.UDP {
		s.Last = max(conn.LastIn, conn.LastOut)
	}
	if conn.Neg != nil {
		s.Negotiated = conn.Neg.Save()
	}
	if conn.upkeep != nil {
		s.Upkeep = conn.upkeep.Rest()
	} else {
		s.Upkeep = conn.rested
	}
	return s
}

// Restore tells a new core what an earlier agent had saved in this life of the
// host. It counts for sockets that turn out to be the same ones and older than
// this core; the core keeps s, which must be from [saved.Decode] or Save.
func (c *Core) Restore(s *saved.State, now event.Time) {
	c.resumed = now
	c.programs.Restore(s.Programs)
	c.resume = make(map[flowKey]*saved.Connection, len(s.Connections))
	for i := range s.Connections {
		r := &s.Connections[i]
		c.resume[flowKey{r.Socket, r.Remote}] = r
	}
}

// take makes of the new connection conn, which e is about, what it was to the
// earlier agent. Nobody saw it in between, so it counts as met in mid-life.
func (c *Core) take(conn *connection, e *event.Event) {
	key := flowKey{conn.Socket, conn.Remote}
	r := c.resume[key]
	if r == nil {
		return
	}
	udp := conn.Transport == event.UDP
	switch {
	case r.Local != conn.Local || r.NetNS != 0 && conn.NetNS != 0 && r.NetNS != conn.NetNS:
		return
	case udp != (r.Transport == event.UDP), e.Kind == event.Opened && !e.MidLife:
		return
	}
	delete(c.resume, key)
	if udp && e.Time.Sub(r.Last) >= c.cfg.FlowTimeout && !wasKept(r) {
		return
	}
	conn.MidLife = true
	conn.Transport, conn.Initiator, conn.OpenedAt = r.Transport, r.Initiator, r.Opened
	if conn.NetNS == 0 {
		conn.NetNS = r.NetNS
	}
	conn.Messages, conn.Sent, conn.Received = r.Messages, r.Sent, r.Received
	conn.Registered, conn.SentBy = r.Registered, r.SentBy
	conn.rested = r.Upkeep
	if r.Negotiated != nil {
		conn.Neg = c.agreements.Restore(r.Negotiated, e.Time)
		conn.Neg.Holder = conn
	}
}

// wasKept says whether the earlier agent kept r alive.
func wasKept(r *saved.Connection) bool { return r.Upkeep != nil && r.Upkeep.Sends }

// wake makes the flows of the UDP socket s that an earlier agent kept alive: if
// nobody goes on with that, no event may ever be about them.
func (c *Core) wake(s *socket, e *event.Event) {
	for key, r := range c.resume {
		if key.socket == s.cookie && r.Transport == event.UDP && wasKept(r) && c.flows[key] == nil {
			c.newFlow(&event.Event{
				Kind: event.Owner, Transport: event.UDP, Time: e.Time, Socket: key.socket, NetNS: s.netns, Local: r.Local, Remote: key.remote,
			}, key)
		}
	}
}

// forget drops what no event was about for too long.
func (c *Core) forget(now event.Time) {
	if c.resume != nil && now.Sub(c.resumed) >= resumable {
		c.resume = nil
	}
}
