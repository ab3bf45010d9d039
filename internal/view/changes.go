// SPDX-License-Identifier: Apache-2.0

package view

import (
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Changes is what happened since somebody looked before: figures of the whole,
// connections that were met, on which bytes went or that ended, and findings
// that were raised or counted up. More says that there were more of these than
// are told.
type Changes struct {
	Counts      report.Counts       `json:"counts"`
	Connections []report.Connection `json:"connections"` // without findings
	Findings    []report.Finding    `json:"findings"`
	More        bool                `json:"more"`
}

const (
	changedMax = 300 // connections told of at once, and findings
	// late is how long before the time of the last look an event may be that
	// came after it.
	late = time.Second
)

// Follower remembers how far somebody has looked. It is not safe for
// concurrent use.
type Follower struct {
	v     *View
	since event.Time
	known uint64 // ID of the finding that was raised last
}

// Follow returns a Follower that tells of what happens from now on.
func (v *View) Follow() *Follower {
	f := &Follower{v: v, since: v.Now()}
	if raised := v.raised(); len(raised) > 0 {
		f.known = raised[0].ID
	}
	return f
}

// Next returns what happened since the last call.
func (f *Follower) Next() *Changes {
	v := f.v
	since := f.since.Add(-late)
	c := &Changes{Counts: v.Counts(), Connections: []report.Connection{}, Findings: []report.Finding{}}
	var ids []uint64
	v.hold(func(now event.Time) {
		c.More = v.Core.Changed(since, changedMax, func(id uint64) { ids = append(ids, id) })
		f.since = now
	})
	slices.Sort(ids)
	c.Connections = v.Lines(slices.Compact(ids))
	c.Findings = f.findings(since, c)
	return c
}

func (f *Follower) findings(since event.Time, c *Changes) []report.Finding {
	v, lines := f.v, []report.Finding{}
	raised, known := v.raised(), f.known
	for some := range slices.Chunk(raised, looked) {
		v.hold(func(event.Time) {
			for _, n := range some {
				switch {
				case n.ID <= known && n.Last < since:
				case len(lines) == changedMax:
					c.More = true
				default:
					lines = append(lines, v.Core.FindingLine(n))
				}
			}
		})
	}
	if len(raised) > 0 {
		f.known = raised[0].ID
	}
	return lines
}
