// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"cmp"
	"slices"

	"github.com/viaduct-project/viaduct/agent/policy"
)

// Peers are the counters by peer of the policy. There are at most Limit beside
// [policy.Other], which counts for all that find no room; so however long a
// policy is, and however often it changes, the series are bounded.
type Peers struct {
	limit int
	all   []*Peer // Other first
	since []int   // which policy had the peer last
	index map[string]int
	now   int
	rows  Rows
}

// Rows are the peers of the policy in force.
type Rows struct {
	Own   int // that have counters of their own
	Other int // that are counted as Other
}

// NewPeers returns counters for Other.
func NewPeers(limit int) *Peers {
	return &Peers{
		limit: limit, all: []*Peer{newPeer(policy.Other)}, since: []int{0},
		index: map[string]int{policy.Other: 0},
	}
}

// At returns the counters at an index, which is valid until the next Use.
func (p *Peers) At(i int) *Peer { return p.all[i] }

// Index returns where the counters of the peer are.
func (p *Peers) Index(name string) int { return p.index[name] } // 0, if there are none, is Other

// Of returns the counters of the peer.
func (p *Peers) Of(name string) *Peer { return p.all[p.index[name]] }

// Use makes room for the peers of a policy, in its order. Those of earlier
// policies stay, since a counter must not go away under those who watch it,
// until their place is wanted: then the ones go first that left first. All
// gauges are zero afterwards.
func (p *Peers) Use(names []string) {
	for _, old := range p.all {
		clear(old.Connections[:])
		clear(old.Negotiated[:])
	}
	p.now++
	p.rows = Rows{}
	var fresh []string
	seen := map[string]bool{policy.Other: true}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		switch i, known := p.index[name]; {
		case p.rows.Own == p.limit:
			p.rows.Other++
			continue
		case known:
			p.since[i] = p.now
		default:
			fresh = append(fresh, name)
		}
		p.rows.Own++
	}
	for _, name := range fresh {
		p.add(name)
	}
}

// add gives the peer the place after the last one, or of the one that left the
// policy first.
func (p *Peers) add(name string) {
	if len(p.all) <= p.limit {
		p.all, p.since = append(p.all, nil), append(p.since, 0)
		p.put(len(p.all)-1, name)
		return
	}
	gone := 1
	for i := range p.all[1:] {
		if p.since[i+1] < p.since[gone] {
			gone = i + 1
		}
	}
	delete(p.index, p.all[gone].Name)
	p.put(gone, name)
}

func (p *Peers) put(i int, name string) {
	p.all[i], p.since[i], p.index[name] = newPeer(name), p.now, i
}

// Snapshot returns copies, by name, but for Other, which is the first.
func (p *Peers) Snapshot() ([]Peer, Rows) {
	all := make([]Peer, len(p.all))
	for i, one := range p.all {
		all[i] = one.Clone()
	}
	slices.SortFunc(all[1:], func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	return all, p.rows
}
