// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Tick lets time pass: what has waited for longer than it may is given up. The
// caller ticks about once a second; the result does not depend on how often.
func (c *Core) Tick(now event.Time) {
	c.now = max(c.now, now)
	c.unanswered(now)
	c.tick(now)
	c.tallyUp(now, maxDue)
}

// unanswered gives up the requests that had no answer in time. What the rules
// say about them depends on what else had happened by then, so time passes in
// steps of a grid, however far the next event or tick may be.
func (c *Core) unanswered(now event.Time) {
	const grid = event.Time(250 * time.Millisecond)
	for due := c.txs.Due(); due != 0 && due <= now; due = c.txs.Due() {
		at := (due + grid - 1) / grid * grid
		if at > now {
			return
		}
		c.tick(at)
		c.txs.Expire(at) // last: what was held may have the answer
	}
}

func (c *Core) tick(now event.Time) {
	c.early.Expire(now)
	late := now.Add(-timerSlack)
	c.rules.Advance(late) // first: what is given up below is given up later than the timers are due
	for c.udp.First() != nil && c.silent(c.udp.First(), now) {
	}
	for conn := c.closing.First(); conn != nil && now.Sub(conn.ClosedAt) >= linger; conn = c.closing.First() {
		c.retire(conn)
	}
	c.agreements.Expire(now)
	c.expireHeld(now)
	c.bound.Expire(now)
	c.txs.Forget(now)
	c.forget(now)
	c.rules.Advance(now.Add(-timerSlack))
}

// timerSlack is how late an event may come: timers judge what did not happen,
// so they wait for the stragglers of the source.
const timerSlack = time.Second

// Finish decides all that is held, as nothing more will come: the end of a
// capture file, or of the watching. Connections that are open stay open.
func (c *Core) Finish(now event.Time) {
	c.Tick(now)
	for _, conn := range c.waiting {
		c.decide(conn, now)
		conn.queued = false
	}
	c.waiting = nil
	c.rules.Advance(now)
	c.rules.Finish()
	for c.closing.First() != nil {
		c.retire(c.closing.First())
	}
}

// expireHeld decides lone CRLFs and gives up holes that stay.
func (c *Core) expireHeld(now event.Time) {
	keep := c.waiting[:0]
	for _, conn := range c.waiting {
		if !c.expireConn(conn, now) {
			conn.queued = false
			continue
		}
		keep = append(keep, conn)
	}
	clear(c.waiting[len(keep):])
	c.waiting = keep
	if len(keep) == 0 {
		c.waiting = nil
	}
}

// expireConn says whether conn goes on waiting for something.
func (c *Core) expireConn(conn *connection, now event.Time) (waits bool) {
	if conn.streams != nil {
		waits = c.expireStreams(conn, now)
	}
	if conn.wire != nil {
		waits = c.expireWire(conn, now) || waits
	}
	return waits
}

// expireStreams says whether conn goes on waiting for something.
func (c *Core) expireStreams(conn *connection, now event.Time) bool {
	if conn.ClosedAt != 0 {
		now = min(now, conn.ClosedAt.Add(linger)) // then it is retired
	}
	waits := false
	for i := range conn.streams {
		h, d := &conn.streams[i], event.In+event.Direction(i)
		if h.last != 0 && now.Sub(h.last) >= crlfWait {
			c.settle(conn, d)
		}
		for since, hole := h.Waiting(); hole && now.Sub(since) >= holeWait; since, hole = h.Waiting() {
			at := since.Add(holeWait) // whenever the tick comes
			cursor := h.Expire(at, &c.budget)
			c.pull(conn, d, at, &cursor)
		}
		if h.last != 0 && now.Sub(h.last) >= crlfWait {
			c.settle(conn, d)
		}
		_, hole := h.Waiting()
		waits = waits || hole || h.last != 0
	}
	return waits
}

// settleFor decides what is held of one connection, before a rule judges what
// did not happen on it: a single CRLF, for one. A flow that fell silent ends.
func (c *Core) settleFor(f *fact.Conn, now event.Time) {
	if f.Transport == event.UDP {
		c.flow(flowKey{f.Socket, f.Remote}, now)
		return
	}
	if conn := c.tcp[f.Socket]; conn != nil && &conn.Conn == f && conn.queued && conn.streams != nil {
		c.expireStreams(conn, now)
	}
}
