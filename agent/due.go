// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"container/heap"

	"github.com/viaduct-project/viaduct/internal/event"
)

// dueQueue orders connections by when they may be something else though
// nothing happens to them: the next one is first.
type dueQueue []due

type due struct {
	at   event.Time
	conn *connection
}

// set has conn looked at again at the given time, or never if that is 0.
func (q *dueQueue) set(conn *connection, at event.Time) {
	i := int(conn.tally.place) - 1
	switch {
	case i < 0 && at != 0:
		heap.Push(q, due{at, conn})
	case i >= 0 && at == 0:
		heap.Remove(q, i)
	case i >= 0 && (*q)[i].at != at:
		(*q)[i].at = at
		heap.Fix(q, i)
	}
}

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].at < q[j].at }

func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].conn.tally.place, q[j].conn.tally.place = int32(i)+1, int32(j)+1
}

// Push implements [heap.Interface].
func (q *dueQueue) Push(x any) {
	d := x.(due)
	d.conn.tally.place = int32(len(*q)) + 1
	*q = append(*q, d)
}

// Pop implements [heap.Interface].
func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	d.conn.tally.place = 0
	(*q)[last] = due{}
	*q = (*q)[:last]
	return d
}
