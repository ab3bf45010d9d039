// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/viaduct-project/viaduct/internal/event"

// Recount compares what the core believes to be open with what the source found
// when it counted the sockets at the instant asked. All that happened until the
// count ended must have been handled. What is older than the count and not
// alive in two counts running has ended without the core being told: two,
// because a kernel iterator that is read in pieces can pass over a socket when
// its neighbour goes.
//
// missed is how many TCP connections that were, which ended by nobody known:
// more than zero is a fault of the source, or events that it lost. A datagram
// socket has no close to miss; its end shows in this way only. suspects are
// those that were not alive for the first time: another count tells.
func (c *Core) Recount(alive func(socket uint64) bool, asked event.Time) (missed, suspects int) {
	for conn := c.open.First(); conn != nil; {
		next := conn.age.Next()
		there := alive(conn.Socket) || !conn.idleSince(asked)
		if !there && conn.missing {
			missed++
			c.closedEvent(&event.Event{
				Kind: event.Closed, Time: asked, Socket: conn.Socket, Transport: conn.Transport,
				Local: conn.Local, Remote: conn.Remote, MidLife: conn.MidLife,
				How: event.Expired, IdleIn: -1, IdleOut: -1,
			})
		}
		if !there && !conn.missing {
			suspects++
		}
		conn.missing = !there
		conn = next
	}
	for _, s := range c.sockets {
		there := alive(s.cookie) || s.since >= asked || s.flows.Len() > 0 && !s.flows.Last().idleSince(asked)
		if !there && s.missing {
			c.socketClosed(&event.Event{Kind: event.Closed, Time: asked, Socket: s.cookie, Transport: event.UDP})
		} else if !there {
			suspects++
		}
		s.missing = !there
	}
	c.missed += uint64(missed)
	return missed, suspects
}

// idleSince says that nothing was heard of conn from t on.
func (conn *connection) idleSince(t event.Time) bool {
	return max(conn.First, conn.OpenedAt, conn.LastIn, conn.LastOut) < t
}
