// SPDX-License-Identifier: Apache-2.0

package negotiate

// agreementQueue is a list of agreements, the oldest first.
type agreementQueue struct{ oldest, newest *Agreement }

// enqueue puts a at the end of q, out of the queue that it was in.
func (a *Agreement) enqueue(q *agreementQueue) {
	a.dequeue()
	a.queue, a.older = q, q.newest
	if q.newest != nil {
		q.newest.newer = a
	} else {
		q.oldest = a
	}
	q.newest = a
}

func (a *Agreement) dequeue() {
	q := a.queue
	if q == nil {
		return
	}
	if a.older != nil {
		a.older.newer = a.newer
	} else {
		q.oldest = a.newer
	}
	if a.newer != nil {
		a.newer.older = a.older
	} else {
		q.newest = a.older
	}
	a.queue, a.older, a.newer = nil, nil, nil
}
