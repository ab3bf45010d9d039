// SPDX-License-Identifier: Apache-2.0

package outbound

import "testing"

func TestBounded(t *testing.T) {
	var b bounded[int, int]
	for i := range limit + 10 {
		*b.get(i) = i
	}
	if b.len() != limit || b.Evicted != 10 {
		t.Errorf("%d entries, %d evicted; want %d and 10", b.len(), b.Evicted, limit)
	}
	if v := b.find(limit + 9); v == nil || *v != limit+9 {
		t.Error("the newest entry is gone")
	}
	b.drop(limit + 9)
	if b.find(limit+9) != nil || b.len() != limit-1 {
		t.Error("an entry that was dropped is there")
	}
	s := new(state)
	s.tries.Evicted, s.tokens.Evicted = 2, 3
	if evicted(s) != 5 {
		t.Errorf("%d evicted, want 5", evicted(s))
	}
}
