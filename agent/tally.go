// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/internal/event"
)

// The gauges are kept up to date while events come in, so that a scrape need
// not look at a million connections. What a connection is counted as depends on
// most of what is known of it, and on the time; it is found out anew, but not at
// each event: a connection that something happened to goes stale, and the
// stale ones are gone through when there are enough of them, or when somebody
// asks. Those that change by time alone wait in a queue.

const (
	maxStale = 1024 // connections that are gone through at once
	maxDue   = 4096 // and of those whose time has come, unless somebody asks
)

// tally is what a connection was counted as.
type tally struct {
	counted   bool // in the gauges
	stale     bool
	transport event.Transport
	class     class.Class
	initiator event.Side
	standing  uint8  // mechanisms
	slot      uint16 // of the peer
	results   negotiate.Results

	unanswered uint32
	place      int32 // in the queue, counted from 1; 0 if it is not in it
}

type tallies struct {
	stale  []*connection
	due    dueQueue
	judged []metrics.Finding
}

// peerOf returns the counters of the peer that conn belongs to.
func (c *Core) peerOf(conn *connection) *metrics.Peer { return c.by.Of(conn.Row.Name) }

// stale notes that something happened to conn, which may be something else now.
func (c *Core) stale(conn *connection) {
	if !conn.tally.stale {
		conn.tally.stale = true
		c.tallies.stale = append(c.tallies.stale, conn)
	}
}

// tallyUp goes through the stale connections, and at most limit of those whose
// time has come.
func (c *Core) tallyUp(now event.Time, limit int) {
	for _, conn := range c.tallies.stale {
		conn.tally.stale = false
		c.tallyOf(conn, now)
	}
	clear(c.tallies.stale) // lets go of the connections
	c.tallies.stale = c.tallies.stale[:0]
	for q := &c.tallies.due; limit > 0 && len(*q) > 0 && (*q)[0].at <= now; limit-- {
		c.tallyOf((*q)[0].conn, now)
	}
}

// tallyOf counts conn as what it is at now.
func (c *Core) tallyOf(conn *connection, now event.Time) {
	if conn.ClosedAt != 0 {
		now = conn.ClosedAt
	}
	t := &conn.tally
	slot := c.by.Index(conn.Row.Name)
	counted := c.by.At(slot)
	e := conn.evidence(now)
	for fresh, r := conn.Neg.Results(e.End, e.ByOther)&^t.results, negotiate.Result(0); r < negotiate.NumResults; r++ {
		if fresh.Has(r) {
			counted.Negotiations[r]++
			t.results |= 1 << r
		}
	}
	c.move(conn, -1)
	t.counted = conn.age.In() == &c.open || conn.age.In() == &c.udp
	var next event.Time
	if t.counted {
		t.slot, t.transport, t.initiator = uint16(slot), conn.Transport, conn.Initiator
		t.class, t.standing = class.Of(&e), conn.Neg.Standing(now)
		c.move(conn, +1)
		next = earlier(conn.Neg.Next(now), c.tallyAnswers(conn, counted, now.Add(-timerSlack)))
	} else if conn.age.In() == nil {
		c.tallyAnswers(conn, counted, max(now, conn.First))
	}
	c.tallies.due.set(conn, next)
}

// tallyAnswers counts the keep-alives of conn that had no answer in time as of
// t, and says when there may be more of them. While something is held that may
// be an answer nobody knows.
func (c *Core) tallyAnswers(conn *connection, counted *metrics.Peer, t event.Time) (again event.Time) {
	switch {
	case conn.Alive == nil:
		return 0
	case conn.queued:
		return t.Add(2 * timerSlack)
	}
	n, next := conn.Alive.Late(t)
	if n > conn.tally.unanswered {
		counted.Unanswered[awaited(conn)] += uint64(n - conn.tally.unanswered)
		conn.tally.unanswered = n
	}
	if next == 0 {
		return 0
	}
	return next.Add(timerSlack)
}

// earlier of two times, either of which may be 0 for never.
func earlier(a, b event.Time) event.Time {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// move adds n to the gauges that conn is in.
func (c *Core) move(conn *connection, n int) {
	t := &conn.tally
	if !t.counted {
		return
	}
	gauges := c.by.At(int(t.slot))
	gauges.Connections[t.transport][t.class][t.initiator] += n
	for m := range negotiate.Mechanisms {
		if t.standing>>m&1 != 0 {
			gauges.Negotiated[m] += n
		}
	}
}

// awaited is the kind of keep-alive that has an answer on conn: pings on a
// stream await a pong, and Binding requests a response; other datagrams await
// nothing.
func awaited(conn *connection) keepalive.Kind {
	if conn.Transport == event.UDP {
		return keepalive.StunRequest
	}
	return keepalive.Ping
}

// Metrics returns the counters, and the gauges as of now. What it costs does
// not depend on how many connections are open.
func (c *Core) Metrics(now event.Time) metrics.Snapshot {
	c.tallyUp(now, len(c.tallies.due)+len(c.tallies.stale))
	peers, rows := c.by.Snapshot()
	return metrics.Snapshot{
		Counters: c.counters,
		Peers:    peers,
		Judged:   c.tallies.judged,
		Rows:     rows,
		Sizes:    c.Sizes(),
		Evicted:  c.evictions(),
		Lost:     c.losses(),
		Missed:   c.missed,
		Late:     c.late.Clone(),
	}
}
