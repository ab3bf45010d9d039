// SPDX-License-Identifier: Apache-2.0

package track

// tableMax is how many entries each of a table's two generations holds: most
// connections of a capture carry no SIP and are remembered only to be passed
// over quickly.
const tableMax = 1 << 17

// table forgets what was not asked for lately, once it is full. It has two
// generations: what is asked for moves to the young one, and when that is full
// the old one goes, but for what is worth keeping.
type table[K comparable, V any] struct {
	young, old map[K]*V
	limit      int
	keep       func(*V) bool
	gone       func(*V) // what was worth keeping and is forgotten all the same
}

func newTable[K comparable, V any](keep func(*V) bool, gone func(*V)) table[K, V] {
	return table[K, V]{young: make(map[K]*V), limit: tableMax, keep: keep, gone: gone}
}

func (t *table[K, V]) get(k K) *V {
	if v := t.young[k]; v != nil {
		return v
	}
	v := t.old[k]
	if v != nil {
		delete(t.old, k)
		t.put(k, v)
	}
	return v
}

func (t *table[K, V]) put(k K, v *V) {
	t.young[k] = v
	if len(t.young) < t.limit {
		return
	}
	old := t.old
	t.old, t.young = t.young, make(map[K]*V)
	for k, v := range old {
		if !t.keep(v) {
			continue
		}
		if len(t.young) < t.limit/2 {
			t.young[k] = v
		} else {
			t.gone(v)
		}
	}
}

func (t *table[K, V]) remove(k K) {
	delete(t.young, k)
	delete(t.old, k)
}

func (t *table[K, V]) each(f func(*V)) {
	for _, generation := range []map[K]*V{t.young, t.old} {
		for _, v := range generation {
			f(v)
		}
	}
}
