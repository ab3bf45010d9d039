// SPDX-License-Identifier: Apache-2.0

// Package view reads out of a core what somebody wants to see, while others
// write to it: a piece at a time, in holds of its lock that stay short however
// much there is. What comes of it is true piece by piece, not of one moment.
package view

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/query"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// How much is done in one hold of the lock: about half a millisecond.
const (
	looked = 2000 // connections looked at
	lined  = 50   // lines written
)

// LimitMax bounds a page.
const LimitMax = 1000

// View is safe for concurrent use.
type View struct {
	Lock     sync.Locker // guards Core
	Core     *agent.Core
	Now      func() event.Time
	Host     report.Host
	Features map[string]string // see [report.Report]
}

func (v *View) hold(f func(now event.Time)) {
	v.Lock.Lock()
	defer v.Lock.Unlock()
	f(v.Now())
}

// Query is a page that is asked for.
type Query struct {
	query.Filter
	query.Order
	After      *query.Place // nil for the first page
	Limit      int          // of lines, from 1 to LimitMax
	Connection string       // ID: this one only, or what is about it
}

// Connections returns a page of connections, with the findings on them.
func (v *View) Connections(q *Query) *report.Page {
	if q.Connection != "" {
		return v.one(parseConnection(q.Connection))
	}
	places, more := v.find(q)
	page := &report.Page{Schema: report.PageSchema, Connections: []report.Connection{}, Findings: []report.Finding{}}
	page.Next = next(places, more)
	ids := make([]uint64, len(places))
	for i, p := range places {
		ids[i] = p.ID
	}
	page.Connections = v.Lines(ids)
	v.findingsOn(page)
	page.At = v.Now().Go()
	return page
}

// one returns a page with one connection, if it is there.
func (v *View) one(id uint64) *report.Page {
	page := &report.Page{Schema: report.PageSchema, Connections: v.Lines([]uint64{id}), Findings: []report.Finding{}}
	v.findingsOn(page)
	page.At = v.Now().Go()
	return page
}

func next(places []query.Place, more bool) *string {
	if !more {
		return nil
	}
	return report.Ref(places[len(places)-1].String())
}

// find returns the places on the page, and whether there are more behind them.
func (v *View) find(q *Query) ([]query.Place, bool) {
	var on map[uint64]int
	if q.ByFindings() || q.By == "findings" {
		v.hold(func(event.Time) { on = v.Core.Found(&q.Filter) })
	}
	below := uint64(agent.Newest)
	if q.Plain() && q.After != nil {
		below = q.After.ID
	}
	best := query.NewBest(q.Limit, q.After)
	seen := 0
	add := func(p query.Place) {
		if q.Reverse {
			p.Key = -p.Key
		}
		best.Add(p)
		seen++
	}
	for below > 0 && !(q.Plain() && seen > q.Limit) {
		v.hold(func(now event.Time) { below = v.Core.Look(now, &q.Filter, q.By, on, below, looked, add) })
	}
	return best.List()
}

// Lines returns what is known of these connections, but for those that are
// gone, without findings.
func (v *View) Lines(ids []uint64) []report.Connection {
	lines := make([]report.Connection, 0, len(ids))
	for some := range slices.Chunk(ids, lined) {
		v.hold(func(now event.Time) { lines = append(lines, v.Core.Lines(now, some)...) })
	}
	return lines
}

// findingsOn fills in the findings on the connections of a page.
func (v *View) findingsOn(page *report.Page) {
	at := make(map[uint64]int, len(page.Connections))
	for i := range page.Connections {
		at[parseConnection(page.Connections[i].ID)] = i
	}
	raised := v.raised()
	for some := range slices.Chunk(raised, looked) {
		v.hold(func(event.Time) {
			for _, f := range some {
				i, there := at[f.Conn.ID]
				if !there {
					continue
				}
				line := &page.Connections[i]
				line.Findings = append(line.Findings, len(page.Findings))
				page.Findings = append(page.Findings, v.Core.FindingLine(f))
			}
		})
	}
}

// parseConnection returns 0 for what names none.
func parseConnection(id string) uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(id, "c"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Counts returns the figures of the whole.
func (v *View) Counts() report.Counts {
	var s report.Counts
	v.hold(func(now event.Time) {
		s = v.Core.Counts()
		s.At = now.Go()
	})
	s.Schema, s.Host, s.Features = report.CountsSchema, v.Host, v.Features
	return s
}
