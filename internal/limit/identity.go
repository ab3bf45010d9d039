// SPDX-License-Identifier: Apache-2.0

package limit

// identities are the numbers under which the programs know the rows' sources. A
// row keeps its number as long as there is one of its name with limits, so that
// a changed file gives nobody a new burst.
type identities map[string]uint32

// assign sets the rows' numbers and returns the names that now have one.
func (i identities) assign(t *Tables) identities {
	next := make(identities, len(t.Peers))
	taken := make(map[uint32]bool)
	for _, peer := range t.Peers {
		if id, known := i[peer]; known {
			next[peer] = id
			taken[id] = true
		}
	}
	free := uint32(0)
	for at, peer := range t.Peers {
		if _, known := next[peer]; !known {
			for taken[free] {
				free++
			}
			next[peer] = free
			taken[free] = true
		}
		t.Rows[at].ID = next[peer]
	}
	return next
}
