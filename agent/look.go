// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"math"
	"strconv"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/query"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// The functions below let somebody look at what there is a piece at a time:
// each takes as long as the piece is large, however many connections there are.

// Newest is above the ID of every connection.
const Newest = math.MaxUint64

// Look shows yield, newest first, those of the n connections with IDs below
// the given one that f lets pass, with the key that they are sorted by. on is
// what [Core.Found] has returned for f. It returns where to go on, 0 at the end.
func (c *Core) Look(now event.Time, f *query.Filter, by string, on map[uint64]int, below uint64, n int, yield func(query.Place)) (next uint64) {
	var l looker
	i := c.met.below(below)
	for ; i > 0 && n > 0; i, n = i-1, n-1 {
		conn := c.met.entries[i-1].conn
		if conn == nil || f.ByFindings() && on[conn.ID] == 0 || !f.Match(l.line(conn, f, now)) {
			continue
		}
		yield(query.Place{Key: conn.key(by, on), ID: conn.ID})
	}
	if i == 0 {
		return 0
	}
	return c.met.entries[i].id
}

// looker reads lines into memory that it uses again.
type looker struct {
	query.Line
	local, remote []byte
}

// line has no more than f asks for.
func (l *looker) line(conn *connection, f *query.Filter, now event.Time) *query.Line {
	owner := conn.owner()
	l.Open, l.Transport, l.Peer, l.Process = conn.Open(), transportNames[conn.Transport], conn.Row.Name, owner.Name
	if f.Class != "" || f.Text != "" {
		e := conn.evidence(now)
		l.Class = class.Of(&e).String()
	}
	if f.Process != "" || f.Text != "" {
		l.PID = strconv.FormatUint(uint64(owner.PID), 10)
	}
	if f.Address != "" || f.Text != "" {
		l.local, l.remote = conn.Local.AppendTo(l.local[:0]), conn.Remote.AppendTo(l.remote[:0])
		l.Local, l.Remote = l.local, l.remote
	}
	if s := conn.Neg; s != nil && f.Text != "" {
		_, _, l.Keep = s.Keep()
		l.Alias, l.Persist, l.Outbound = s.Alias.By != 0, s.Persistent.By != 0, s.Outbound.By != 0
	} else {
		l.Keep, l.Alias, l.Persist, l.Outbound = false, false, false, false
	}
	return &l.Line
}

// key is what conn is sorted by: the largest first.
func (conn *connection) key(by string, on map[uint64]int) int64 {
	switch by {
	case "idle": // by when it fell silent, which stays while it is
		if last := max(conn.LastIn, conn.LastOut, conn.OpenedAt); last != 0 && conn.Open() {
			return -int64(last)
		}
		return math.MinInt64
	case "requests":
		return int64(conn.Sent.N) + int64(conn.Received.N)
	case "bytes":
		return int64(max(conn.counts.BytesSent, conn.bytesOut) + max(conn.counts.BytesReceived, conn.bytesIn))
	case "findings":
		return int64(on[conn.ID])
	}
	return int64(conn.ID)
}

// Found returns how many findings there are on each connection that f means.
func (c *Core) Found(f *query.Filter) map[uint64]int {
	on := make(map[uint64]int)
	for _, n := range c.rules.Findings.Raised() {
		if f.Finding(n.Rule.ID, n.Severity.String()) {
			on[n.Conn.ID]++
		}
	}
	return on
}

// Lines returns what the report says of the connections with these IDs, but
// for those that are gone. Nothing is said of findings.
func (c *Core) Lines(now event.Time, ids []uint64) []report.Connection {
	lines := make([]report.Connection, 0, len(ids))
	for _, id := range ids {
		if conn := c.met.get(id); conn != nil {
			lines = append(lines, c.report(conn, now))
		}
	}
	return lines
}

// Changed calls yield with connections that were met, on which bytes went, or
// that ended at or after since; with some of them twice. It stops at the limit
// and says whether it had to.
func (c *Core) Changed(since event.Time, limit int, yield func(id uint64)) (more bool) {
	n := 0
	show := func(conn *connection, last event.Time) (again bool) {
		if max(last, conn.First) < since {
			return false
		}
		if n++; n > limit {
			more = true
			return false
		}
		yield(conn.ID)
		return true
	}
	for _, open := range []*chain.Chain[connection]{&c.open, &c.udp} {
		for conn := open.Last(); conn != nil && show(conn, max(conn.LastIn, conn.LastOut)); conn = conn.age.Prev() {
		}
	}
	for conn := c.closing.Last(); conn != nil && show(conn, conn.ClosedAt); conn = conn.age.Prev() {
	}
	for back := range c.closed.len() {
		if conn := c.closed.newest(back); !show(conn, conn.ClosedAt) {
			break
		}
	}
	return more
}
