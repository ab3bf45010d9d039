// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"testing"

	"github.com/viaduct-project/viaduct/bpf"
)

func TestIdentitiesStay(t *testing.T) {
	ids := make(identities)
	for _, step := range []struct {
		peers []string
		want  []uint32
	}{
		{[]string{"a", "b", "c"}, []uint32{0, 1, 2}},
		{[]string{"c", "a"}, []uint32{2, 0}},
		{[]string{"new", "c", "newer", "a"}, []uint32{1, 2, 3, 0}},
	} {
		tables := Tables{Peers: step.peers}
		tables.Rows = make([]bpf.LimitRow, len(step.peers))
		ids = ids.assign(&tables)
		for i, row := range tables.Rows {
			if row.ID != step.want[i] {
				t.Errorf("%v: %s has %d, want %d", step.peers, step.peers[i], row.ID, step.want[i])
			}
		}
	}
}
