// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/history"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

// The functions below take what viaduct itself sent, and what answers it. No
// rule sees it, no class or idle time depends on it, and it is none of the
// keep-alives that the two sides are known by.

// ownPing takes viaduct's own bytes in the stream of conn.
func (c *Core) ownPing(conn *connection, d event.Direction, t event.Time) {
	if d != event.Out {
		return
	}
	c.mark(conn, t, history.What{Kind: history.Injected, Dir: d})
	if conn.streams[index(d)].framer.InMessage() {
		c.counters.Misplaced++
	}
	if u := conn.upkeep; u != nil {
		c.countKept(u, u.Ping(t, c.rand))
	}
}

// ownPong takes a lone CRLF of the peer's if it answers a ping of viaduct's.
func (c *Core) ownPong(conn *connection, d event.Direction, t event.Time) bool {
	if d != event.In || !conn.awaitsPong(t) {
		return false
	}
	c.mark(conn, t, history.What{Kind: history.Pong, Dir: d})
	c.peerOf(conn).Keepalives[metrics.Viaduct][keepalive.Pong][d]++
	if conn.upkeep.Copes(t) && conn.owner().Name != "" {
		c.program(conn, true).Copes = true
	}
	c.peerOf(conn).RoundTrip.Observe(conn.upkeep.Pong(t).Seconds())
	c.answered(conn)
	return true
}

// awaitsPong says whether the next pong of the peer answers viaduct.
func (conn *connection) awaitsPong(t event.Time) bool {
	if conn.upkeep == nil {
		return false
	}
	app := event.Time(0)
	if conn.Alive != nil {
		app = conn.Alive.Waiting(event.Out, t)
	}
	return conn.upkeep.Awaits(app)
}

// answered notes that the peer answers keep-alives; a flow that had failed is
// kept alive as before.
func (c *Core) answered(conn *connection) {
	if conn.Peer != nil {
		conn.Peer.Answers = true
	}
	if u := conn.upkeep; u != nil && u.slot >= 0 {
		c.plan(u)
	}
}

// replied notes that the peer has answered a keep-alive of the program's.
func (c *Core) replied(conn *connection) {
	if conn.upkeep != nil {
		conn.upkeep.Replied()
	}
	c.answered(conn)
}

// ownAnswer says whether b, which came in, is but the answer to viaduct's ping:
// the connection is no less idle for it.
func (conn *connection) ownAnswer(d event.Direction, b []byte, t event.Time) bool {
	return d == event.In && len(b) == 2 && string(b) == "\r\n" && conn.awaitsPong(t)
}

// ownDatagram takes a Binding request of viaduct's, or its answer.
func (c *Core) ownDatagram(e *event.Event) {
	conn := c.flows[flowKey{e.Socket, unmapped(e.Remote)}]
	if conn == nil || conn.upkeep == nil || len(e.Payload) < 20 {
		return
	}
	u := conn.upkeep
	conn.add(e.Direction, max(e.Length, len(e.Payload)))
	m := keepalive.ReadBinding(e.Payload)
	if e.Direction == event.Out {
		c.mark(conn, e.Time, history.What{Kind: history.Injected, Dir: e.Direction})
		u.newest = e.Time
		conn.age.Join(&c.udp, conn)
		u.Requested(m.ID, e.Time, c.rand)
		if u.slot >= 0 {
			c.plan(u)
		}
		return
	}
	answer, before := u.Response(&m, e.Time)
	if answer == assist.Foreign {
		return
	}
	c.mark(conn, e.Time, history.What{Kind: history.Bound, Dir: e.Direction})
	u.newest = e.Time
	conn.age.Join(&c.udp, conn)
	c.peerOf(conn).Keepalives[metrics.Viaduct][keepalive.StunResponse][event.In]++
	if u.RTT > 0 {
		c.peerOf(conn).RoundTrip.Observe(u.RTT.Seconds())
	}
	c.answered(conn)
	switch answer {
	case assist.Changed:
		c.upkeepJudged(conn, e.Time, rule.Upkeep{Before: before, Mapped: m.Mapped})
	case assist.Error:
		c.upkeepJudged(conn, e.Time, rule.Upkeep{Refused: max(m.Code, 1)})
	}
}

// harmedByEnd looks whether the end of conn was the program's answer to a pong.
func (c *Core) harmedByEnd(conn *connection) {
	u := conn.upkeep
	c.unplan(u)
	if conn.By != event.Local || conn.ByAgent {
		return
	}
	if conn.streams != nil && conn.streams[index(event.In)].last != 0 && conn.awaitsPong(conn.EndedAt) {
		c.settle(conn, event.In) // a lone CRLF, shortly before
	}
	if p := c.program(conn, false); p != nil && p.Copes {
		return
	}
	terms, owing := assist.Owed(conn.Neg, conn.Stream(), &conn.Row.Keepalive, assist.Past{}, conn.EndedAt)
	owing = owing && terms.Basis != assist.ByPolicy
	if h, after := u.Ended(conn.EndedAt, owing, conn.Exiting); h != assist.Unharmed {
		c.harmed(conn, conn.EndedAt, rule.Upkeep{Harm: h, After: after})
	}
}

// askedBehind notes a request of the peer's that conn's program reads behind
// pongs; an ACK or CANCEL need not be answered by who knows nothing of the INVITE.
func (c *Core) askedBehind(conn *connection, tx *transaction.Transaction) {
	if u := conn.upkeep; u != nil && tx.Dir == event.In && conn.Stream() {
		u.Next(tx.Key.Hash|1, tx.Start)
	}
}

// answeredBehind notes that a program has understood such a request.
func (c *Core) answeredBehind(tx *transaction.Transaction) {
	conn := c.known(tx.Conn)
	if tx.Dir != event.In || conn == nil || conn.upkeep == nil || !conn.upkeep.Understood(tx.Key.Hash|1) {
		return
	}
	c.program(conn, true).Reads = true
}

// harmedBehind looks whether a request that nobody has answered came behind a
// pong. A program that pings reads pongs all the time.
func (c *Core) harmedBehind(tx *transaction.Transaction, t event.Time) {
	conn := c.known(tx.Conn)
	if tx.Dir != event.In || conn == nil || conn.upkeep == nil {
		return
	}
	h, after := conn.upkeep.GivenUp(tx.Key.Hash | 1)
	switch p := c.program(conn, false); {
	case h == assist.Unharmed || tx.AnsweredAt != 0 || tx.Forwarded || conn.EndedAt != 0 || conn.Missing():
	case conn.pings() || p != nil && (p.Reads || p.Pings):
	default:
		c.harmed(conn, t, rule.Upkeep{Harm: h, After: after})
	}
}

// harmed remembers that conn's program cannot stand pongs. Its other
// connections are kept alive by the kernel from their next keep-alive on.
func (c *Core) harmed(conn *connection, t event.Time, up rule.Upkeep) {
	c.programs.Harmed(conn.programName(), up.Harm)
	c.upkeepJudged(conn, t, up)
}
