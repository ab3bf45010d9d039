// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"slices"
)

// order has the connections in the order in which they were met, so that one
// can be looked up by its ID, and a reader can go on where it stopped.
type order struct {
	entries []entry // by id
	gone    int     // of these
}

type entry struct {
	id   uint64
	conn *connection // nil once it is gone
}

// sparse is from how many on entries of connections that are gone are swept.
const sparse = 4096

func (o *order) add(conn *connection) {
	if o.gone >= sparse && o.gone > len(o.entries)/2 {
		o.entries = slices.DeleteFunc(o.entries, func(e entry) bool { return e.conn == nil })
		o.gone = 0
	}
	o.entries = append(o.entries, entry{conn.ID, conn})
}

func (o *order) remove(conn *connection) {
	if i := o.below(conn.ID); i < len(o.entries) && o.entries[i].conn == conn {
		o.entries[i].conn = nil
		o.gone++
	}
}

// below is how many entries there are with a smaller ID.
func (o *order) below(id uint64) int {
	i, _ := slices.BinarySearchFunc(o.entries, id, func(e entry, id uint64) int { return cmp.Compare(e.id, id) })
	return i
}

// get returns nil if there is no such connection any more.
func (o *order) get(id uint64) *connection {
	if i := o.below(id); i < len(o.entries) && o.entries[i].id == id {
		return o.entries[i].conn
	}
	return nil
}
