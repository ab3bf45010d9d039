// SPDX-License-Identifier: Apache-2.0

package tlsbind

import "github.com/viaduct-project/viaduct/internal/event"

// place is a record in one direction: if both ends of a connection are on this
// host, the same record leaves one socket and arrives at another.
type place struct {
	direction event.Direction
	fragment  Fragment
}

// recent remembers a bounded number of records, the newest ones.
type recent[V any] struct {
	most  int
	at    map[place]V
	order []place
	next  int // in order, once it is full
}

func newRecent[V any](most int) recent[V] {
	return recent[V]{most: most, at: make(map[place]V)}
}

func (r *recent[V]) get(p place) (V, bool) {
	v, ok := r.at[p]
	return v, ok
}

func (r *recent[V]) put(p place, v V) {
	if _, ok := r.at[p]; ok {
		r.at[p] = v
		return
	}
	r.at[p] = v
	if len(r.order) < r.most {
		r.order = append(r.order, p)
		return
	}
	delete(r.at, r.order[r.next])
	r.order[r.next] = p
	r.next = (r.next + 1) % r.most
}

// take is get for an answer that is needed once.
func (r *recent[V]) take(p place) (V, bool) {
	v, ok := r.at[p]
	if ok {
		delete(r.at, p)
	}
	return v, ok
}
