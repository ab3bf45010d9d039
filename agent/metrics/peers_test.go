// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"slices"
	"testing"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

func namesOf(p *Peers) (all []string) {
	peers, _ := p.Snapshot()
	for _, one := range peers {
		all = append(all, one.Name)
	}
	return all
}

// TestPeersComeAndGo: each step is another policy.
func TestPeersComeAndGo(t *testing.T) {
	p := NewPeers(3)
	if got := namesOf(p); !slices.Equal(got, []string{policy.Other}) {
		t.Fatalf("%q at the start", got)
	}
	for i, step := range []struct {
		policy, shown []string
		rows          Rows
	}{
		{[]string{"b", "a"}, []string{"other", "a", "b"}, Rows{Own: 2}},
		{[]string{"a", "a", "other"}, []string{"other", "a", "b"}, Rows{Own: 1}},                           // b stays
		{[]string{"c"}, []string{"other", "a", "b", "c"}, Rows{Own: 1}},                                    // and a
		{[]string{"c", "d"}, []string{"other", "a", "c", "d"}, Rows{Own: 2}},                               // b left first
		{[]string{"w", "x", "y", "z", "z", "a"}, []string{"other", "w", "x", "y"}, Rows{Own: 3, Other: 2}}, // the first ones
		{[]string{"z", "w"}, []string{"other", "w", "y", "z"}, Rows{Own: 2}},
		{nil, []string{"other", "w", "y", "z"}, Rows{}},
	} {
		p.Use(step.policy)
		if got := namesOf(p); !slices.Equal(got, step.shown) {
			t.Fatalf("step %d: %q are shown, want %q", i, got, step.shown)
		}
		if _, rows := p.Snapshot(); rows != step.rows {
			t.Errorf("step %d: %+v, want %+v", i, rows, step.rows)
		}
		for _, name := range step.shown {
			if p.Of(name).Name != name || p.At(p.Index(name)).Name != name {
				t.Errorf("step %d: the counters of %s are those of %s", i, name, p.Of(name).Name)
			}
		}
		if p.Of("nobody").Name != policy.Other {
			t.Errorf("step %d: nobody is counted as %s", i, p.Of("nobody").Name)
		}
	}
}

// Counters of a peer go on over policies, gauges are counted anew.
func TestPeersKeepTheirCounters(t *testing.T) {
	p := NewPeers(2)
	p.Use([]string{"a"})
	p.Of("a").Failures[event.Refused] = 7
	p.Of("a").Connections[event.TCP][0][event.Local] = 3
	p.Use([]string{"b"})
	p.Use([]string{"a"})
	a := p.Of("a")
	if a.Failures[event.Refused] != 7 || a.Connections[event.TCP][0][event.Local] != 0 {
		t.Errorf("failures %v, connections %v", a.Failures, a.Connections)
	}
}

// A policy of any length, replaced any number of times, has no more counters
// than the limit.
func TestPeersAreBounded(t *testing.T) {
	p := NewPeers(100)
	for round := range 5 {
		names := make([]string, 10_000)
		for i := range names {
			names[i] = fmt.Sprintf("row-%d-%d", round, i)
		}
		p.Use(names)
		peers, rows := p.Snapshot()
		if len(peers) != 101 || rows != (Rows{100, 9_900}) || len(p.index) != 101 || p.Of(names[99]).Name != names[99] || p.Of(names[100]).Name != policy.Other {
			t.Fatalf("round %d: %d peers, %+v, %d names", round, len(peers), rows, len(p.index))
		}
	}
}

// A snapshot shares nothing with what goes on counting.
func TestSnapshotIsACopy(t *testing.T) {
	p := NewPeers(1)
	one := p.At(0)
	one.Handshake.Observe(0.01)
	peers, _ := p.Snapshot()
	one.Handshake.Observe(0.01)
	one.Findings[Kind{}]++
	one.Interval[event.In].Observe(1)
	s := &peers[0]
	if s.Handshake.Count() != 1 || s.Handshake.Native.Counts[0] != 1 || len(s.Findings) != 0 || s.Interval[event.In].Count() != 0 {
		t.Errorf("%+v", s)
	}
}
