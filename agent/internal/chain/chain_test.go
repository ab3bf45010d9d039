// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type element struct{ Link[element] }

// TestLikeSlices: whatever joins and leaves, the chains hold what slices would.
func TestLikeSlices(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]element, 20)
	var chains [3]Chain[element]
	var want [3][]*element
	for range 20_000 {
		e := &all[r.IntN(len(all))]
		for i := range want {
			want[i] = slices.DeleteFunc(want[i], func(x *element) bool { return x == e })
		}
		if to := r.IntN(len(chains) + 1); to < len(chains) {
			want[to] = append(want[to], e)
			e.Join(&chains[to], e)
		} else {
			e.Leave()
		}
		for i := range chains {
			var forth, back []*element
			for x := chains[i].First(); x != nil; x = x.Next() {
				forth = append(forth, x)
				if x.In() != &chains[i] {
					t.Fatalf("an element of chain %d is said to be in %p", i, x.In())
				}
			}
			for x := chains[i].Last(); x != nil; x = x.Prev() {
				back = append(back, x)
			}
			slices.Reverse(back)
			if !slices.Equal(forth, want[i]) || !slices.Equal(back, want[i]) || chains[i].Len() != len(want[i]) {
				t.Fatalf("chain %d has %v, backwards %v, length %d; want %v", i, forth, back, chains[i].Len(), want[i])
			}
		}
	}
}
