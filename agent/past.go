// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/history"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

// mark notes in conn's history what went over it.
func (c *Core) mark(conn *connection, t event.Time, w history.What) {
	if c.past.Limit == 0 {
		return
	}
	w.After = t.Sub(conn.First)
	if c.past.Add(&conn.marks, w) {
		return
	}
	if c.forgetPast() && c.past.Add(&conn.marks, w) {
		return
	}
	c.evicted.Marks++
}

// forgetPast drops the history of the connection that closed first, and says
// whether there was any.
func (c *Core) forgetPast() bool {
	for c.forgotten = max(c.forgotten, c.closed.added-uint64(c.closed.len())); c.forgotten < c.closed.added; {
		conn := c.closed.records[c.forgotten%uint64(c.closed.limit)]
		c.forgotten++
		if conn.marks != nil {
			c.evicted.Marks += uint64(conn.marks.Len())
			c.past.Drop(&conn.marks)
			return true
		}
	}
	return false
}

func (c *Core) markMessage(conn *connection, d event.Direction, t event.Time, m *message.Message, v transaction.Verdict) {
	w := history.What{Kind: history.Response, Dir: d, Method: m.Method, Status: m.Status, Again: v == transaction.Retransmission}
	if m.Request {
		w.Kind, w.Status = history.Request, 0
	}
	c.mark(conn, t, w)
}

var pastBeats = [keepalive.Kinds]history.Kind{
	keepalive.Ping: history.Ping, keepalive.Pong: history.Pong, keepalive.Stray: history.Stray, keepalive.Datagram: history.Ping,
	keepalive.StunRequest: history.STUN, keepalive.StunResponse: history.Bound, keepalive.StunOther: history.STUN,
}

func (c *Core) markBeat(conn *connection, d event.Direction, t event.Time, b rule.Beat) {
	c.mark(conn, t, history.What{Kind: pastBeats[b.Kind], Dir: d, Again: b.Again})
}

// history is the line about what went over the connection, nil if nothing is
// known of that.
func (conn *connection) history() *report.History {
	if conn.marks == nil {
		return nil
	}
	line := &report.History{Since: conn.First.Go(), First: history.First, LeftOut: conn.marks.Left(), Marks: make([]report.Mark, 0, conn.marks.Len())}
	conn.marks.Each(func(w history.What) {
		m := report.Mark{At: w.After.Seconds(), From: conn.sideName(side(w.Dir)), Kind: w.Kind.String(), Again: w.Again}
		switch w.Kind {
		case history.Response:
			m.Status = w.Status
			fallthrough
		case history.Request:
			m.Method = w.Method.String()
		}
		line.Marks = append(line.Marks, m)
	})
	return line
}
