// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Retired calls yield with the lines of connections that have ended, in the
// order in which they were put away, which is some seconds after their end. They
// are numbered from 1: since is the last that the caller had, next is what to
// give the next time. At most n are shown; missed is how many came after since
// and are not kept any more. Nothing is said of findings.
func (c *Core) Retired(now event.Time, since uint64, n int, yield func(id uint64, line report.Connection)) (next, missed uint64) {
	r := &c.closed
	if oldest := r.added - uint64(r.len()); since < oldest {
		missed = oldest - since
		since = oldest
	}
	for ; n > 0 && since < r.added; n-- {
		// Number k stands at k-1 until the ring is full, then where it overwrote.
		conn := r.records[since%uint64(r.limit)]
		since++
		yield(conn.ID, c.report(conn, now))
	}
	return since, missed
}

// PutAway retires the connections that have ended without waiting for what may
// come late, at the end of an observation.
func (c *Core) PutAway() {
	for c.closing.First() != nil {
		c.retire(c.closing.First())
	}
}
