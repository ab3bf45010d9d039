// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/viaduct-project/viaduct/agent/peer"
	"github.com/viaduct-project/viaduct/agent/query"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// raised returns the findings as they were raised, the last one first.
func (v *View) raised() (all []*rule.Finding) {
	v.hold(func(event.Time) { all = v.Core.Raised() })
	slices.SortFunc(all, func(a, b *rule.Finding) int { return cmp.Compare(b.ID, a.ID) })
	return all
}

// Findings returns a page of findings, by default the one that was raised last
// first; they can be sorted by severity, too, and by count.
func (v *View) Findings(q *Query) *report.Page {
	about := parseConnection(q.Connection)
	best := query.NewBest(q.Limit, q.After)
	byID := make(map[uint64]*rule.Finding)
	for some := range slices.Chunk(v.raised(), looked/4) {
		v.hold(func(now event.Time) {
			for _, f := range some {
				if q.Connection != "" && f.Conn.ID != about || !v.Core.MatchFinding(now, &q.Filter, f) {
					continue
				}
				key := int64(0)
				switch q.By {
				case "severity":
					key = int64(f.Severity)
				case "count":
					key = int64(f.Count)
				}
				if q.Reverse {
					key = -key
				}
				byID[f.ID] = f
				best.Add(query.Place{Key: key, ID: f.ID})
			}
		})
	}
	places, more := best.List()
	page := &report.Page{Schema: report.PageSchema, Findings: make([]report.Finding, 0, len(places)), Next: next(places, more)}
	for some := range slices.Chunk(places, lined) {
		v.hold(func(now event.Time) {
			for _, p := range some {
				page.Findings = append(page.Findings, v.Core.FindingLine(byID[p.ID]))
			}
		})
	}
	page.At = v.Now().Go()
	return page
}

// Peers returns a page of peers: those with the most connections first, or by
// requests, or by handshakes that could have been avoided.
func (v *View) Peers(q *Query) *report.Page {
	var all []*peer.Peer
	v.hold(func(event.Time) { all = v.Core.Peers() })
	best := query.NewBest(q.Limit, q.After)
	byID := make(map[uint64]*peer.Peer, len(all))
	for some := range slices.Chunk(all, looked) {
		v.hold(func(event.Time) {
			for _, p := range some {
				if about := (query.Filter{Address: q.Address, Text: q.Text}); !about.Match(&query.Line{Remote: []byte(p.Address.String())}) {
					continue
				}
				place := query.Place{Key: peerKey(p, &q.Order), ID: peerID(p.Address)}
				byID[place.ID] = p
				best.Add(place)
			}
		})
	}
	places, more := best.List()
	lines := make([]report.Peer, 0, len(places))
	for some := range slices.Chunk(places, lined) {
		v.hold(func(event.Time) {
			for _, p := range some {
				lines = append(lines, v.Core.PeerLine(byID[p.ID]))
			}
		})
	}
	return &report.Page{Schema: report.PageSchema, At: v.Now().Go(), Peers: lines, Next: next(places, more)}
}

func peerKey(p *peer.Peer, o *query.Order) int64 {
	key := int64(p.Opened)
	switch o.By {
	case "requests":
		key = int64(p.Requests)
	case "avoidable":
		key = int64(p.Churn.Handshakes)
	}
	if o.Reverse {
		key = -key
	}
	return key
}

// peerID tells peers with the same key apart in a cursor.
func peerID(a netip.Addr) uint64 {
	b := a.As16()
	h := fnv.New64a()
	_, _ = h.Write(b[:]) // it never fails
	return h.Sum64()
}

// Actions returns a page of what the policy asked for, the last one first.
func (v *View) Actions(q *Query) *report.Page {
	var all []report.Action
	v.hold(func(event.Time) { all = v.Core.Acts() })
	best := query.NewBest(q.Limit, q.After)
	for i := range all {
		if q.Connection == "" || q.Connection == all[i].Connection {
			best.Add(query.Place{ID: uint64(i) + 1})
		}
	}
	places, more := best.List()
	lines := make([]report.Action, 0, len(places))
	for _, p := range places {
		lines = append(lines, all[p.ID-1])
	}
	return &report.Page{Schema: report.PageSchema, At: v.Now().Go(), Actions: lines, Next: next(places, more)}
}
