// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"iter"

	"github.com/viaduct-project/viaduct/internal/event"
)

func (tb *Table) fresh() *Transaction {
	if tx := tb.free; tx != nil {
		tb.free, tx.same = tx.same, nil
		return tx
	}
	return new(Transaction)
}

// remove takes tx out of the table. The caller recycles it.
func (tb *Table) remove(tx *Transaction) {
	tb.unchain(tx)
	tx.age.Leave()
	tx.own.Leave()
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
	tx.same, tb.free = tb.free, tx
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
	if oldest := q.First(); oldest != nil {
		return oldest.deadline
	}
	return 0
}

// due returns the oldest if its time has come, else nil.
func (q *queue) due(now event.Time) *Transaction {
	if oldest := q.First(); oldest != nil && oldest.deadline <= now {
		return oldest
	}
	return nil
}

// Expire drops what has waited for long enough.
func (tb *Table) Expire(now event.Time) {
	for _, q := range []*queue{&tb.waiting, &tb.proceed} {
		for tx := q.due(now); tx != nil; tx = q.due(now) {
			tb.expire(tx)
		}
	}
}

// Forget drops what has been answered and was kept for long enough.
func (tb *Table) Forget(now event.Time) {
	for tx := tb.completed.due(now); tx != nil; tx = tb.completed.due(now) {
		tb.drop(tx)
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
	for tx := o.all.Last(); tx != nil; {
		next := tx.own.Prev()
		if !tx.pending {
			tb.drop(tx)
		}
		tx = next
	}
}

func (tb *Table) evict() {
	for _, q := range []*queue{&tb.completed, &tb.waiting, &tb.proceed} {
		if oldest := q.First(); oldest != nil {
			tb.Evicted++
			tb.drop(oldest)
			return
		}
	}
}

// Waiting yields o's transactions that waited for a final response at t,
// newest first.
func (o *Owner) Waiting(t event.Time) iter.Seq[*Transaction] {
	return func(yield func(*Transaction) bool) {
		for tx := o.all.Last(); tx != nil; tx = tx.own.Prev() {
			if tx.pending && tx.deadline > t && !yield(tx) {
				return
			}
		}
	}
}

func (tb *Table) requeue(tx *Transaction, q *queue, deadline event.Time) {
	tx.deadline = deadline
	tx.age.Join(&q.Chain, tx)
}
