// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"iter"

	"github.com/viaduct-project/viaduct/internal/event"
)

func (tb *Table) fresh() *Transaction {
	if tx := tb.free; tx != nil {
		tb.free = tx.next
		return tx
	}
	return new(Transaction)
}

// remove takes tx out of the table. The caller recycles it.
func (tb *Table) remove(tx *Transaction) {
	tb.unchain(tx)
	tx.queue.remove(tx)
	tx.owner.remove(tx)
}

// drop is remove for a transaction that nobody looks at any more.
func (tb *Table) drop(tx *Transaction) {
	tb.remove(tx)
	tb.reuse(tx)
}

// recycle frees the transaction that the last call returned and removed.
func (tb *Table) recycle() {
	if tb.spent != nil {
		tb.reuse(tb.spent)
		tb.spent = nil
	}
}

func (tb *Table) reuse(tx *Transaction) {
	tx.part()
	tx.Conn, tx.Notes, tx.owner = nil, nil, nil // for the garbage collector
	tx.next, tb.free = tb.free, tx
}

// Due is when the next request that waits is given up, 0 if none does.
func (tb *Table) Due() event.Time {
	at := tb.waiting.next()
	if p := tb.proceed.next(); at == 0 || p != 0 && p < at {
		return p
	}
	return at
}

func (q *queue) next() event.Time {
	if q.oldest == nil {
		return 0
	}
	return q.oldest.deadline
}

func (q *queue) due(now event.Time) bool { return q.oldest != nil && q.oldest.deadline <= now }

// Expire drops what has waited for long enough.
func (tb *Table) Expire(now event.Time) {
	for _, q := range []*queue{&tb.waiting, &tb.proceed} {
		for q.due(now) {
			tb.expire(q.oldest)
		}
	}
}

// Forget drops what has been answered and was kept for long enough.
func (tb *Table) Forget(now event.Time) {
	for tb.completed.due(now) {
		tb.drop(tb.completed.oldest)
	}
}

func (tb *Table) expire(tx *Transaction) {
	if tx.pending {
		tx.owner.TimedOut++
		if tb.Unanswered != nil {
			tb.Unanswered(tx, tx.deadline)
		}
	}
	tb.drop(tx)
}

// Release says that o's connection is gone. Transactions that wait are kept:
// they may be answered on another connection.
func (tb *Table) Release(o *Owner) {
	for tx := o.head; tx != nil; {
		next := tx.next
		if !tx.pending {
			tb.drop(tx)
		}
		tx = next
	}
}

func (tb *Table) evict() {
	for _, q := range []*queue{&tb.completed, &tb.waiting, &tb.proceed} {
		if q.oldest != nil {
			tb.Evicted++
			tb.drop(q.oldest)
			return
		}
	}
}

// Waiting yields o's transactions that waited for a final response at t,
// newest first.
func (o *Owner) Waiting(t event.Time) iter.Seq[*Transaction] {
	return func(yield func(*Transaction) bool) {
		for tx := o.head; tx != nil; tx = tx.next {
			if tx.pending && tx.deadline > t && !yield(tx) {
				return
			}
		}
	}
}

func (tb *Table) requeue(tx *Transaction, q *queue, deadline event.Time) {
	tx.queue.remove(tx)
	tx.deadline = deadline
	q.push(tx)
}

func (q *queue) push(tx *Transaction) {
	tx.queue, tx.olderQueued, tx.younger = q, q.youngest, nil
	if q.youngest != nil {
		q.youngest.younger = tx
	} else {
		q.oldest = tx
	}
	q.youngest = tx
}

func (q *queue) remove(tx *Transaction) {
	if tx.olderQueued != nil {
		tx.olderQueued.younger = tx.younger
	} else {
		q.oldest = tx.younger
	}
	if tx.younger != nil {
		tx.younger.olderQueued = tx.olderQueued
	} else {
		q.youngest = tx.olderQueued
	}
	tx.olderQueued, tx.younger = nil, nil
}

func (o *Owner) push(tx *Transaction) {
	tx.prev, tx.next = nil, o.head
	if o.head != nil {
		o.head.prev = tx
	}
	o.head = tx
}

func (o *Owner) remove(tx *Transaction) {
	if tx.prev != nil {
		tx.prev.next = tx.next
	} else {
		o.head = tx.next
	}
	if tx.next != nil {
		tx.next.prev = tx.prev
	}
	tx.prev, tx.next = nil, nil
}
