// SPDX-License-Identifier: Apache-2.0

package transaction

import "github.com/viaduct-project/viaduct/internal/event"

func (tb *Table) fresh() *Transaction {
	if tx := tb.free; tx != nil {
		tb.free = tx.next
		return tx
	}
	return new(Transaction)
}

// remove takes tx out of the table. Its Key and Offer stay readable until the
// next Request.
func (tb *Table) remove(tx *Transaction) {
	delete(tb.byKey, tx.Key)
	tx.queue.remove(tx)
	tx.owner.remove(tx)
	tx.next, tb.free = tb.free, tx
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
