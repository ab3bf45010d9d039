// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"iter"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/internal/event"
)

// maxSame is how many transactions may have one key: the two ends of a hop
// within the host, and copies on other connections after a failure. Beyond
// that branches are not unique, and the oldest is dropped.
const maxSame = 16

// Find yields the transactions with the key k on any connection, newest first.
// Some may have been answered.
func (tb *Table) Find(k Key) iter.Seq[*Transaction] {
	return func(yield func(*Transaction) bool) {
		for tx := tb.byKey[k]; tx != nil; tx = tx.same {
			if !yield(tx) {
				return
			}
		}
	}
}

// Same yields the other transactions that have tx's key and direction: the
// same request, sent on other connections.
func (tb *Table) Same(tx *Transaction) iter.Seq[*Transaction] {
	return func(yield func(*Transaction) bool) {
		for other := tb.byKey[tx.Key]; other != nil; other = other.same {
			if other != tx && other.Dir == tx.Dir && !yield(other) {
				return
			}
		}
	}
}

// on returns the transaction k whose request went in direction d on c, if its
// time has not passed by t, and the newest with that key.
func (tb *Table) on(c *fact.Conn, k Key, d event.Direction, t event.Time) (tx, newest *Transaction) {
	newest = tb.byKey[k]
	for tx = newest; tx != nil; tx = tx.same {
		if tx.Conn == c && tx.Dir == d {
			if tx.deadline <= t {
				tb.expire(tx)
				return nil, tb.byKey[k]
			}
			return tx, newest
		}
	}
	return nil, newest
}

// elsewhere returns the transaction k whose request went in direction d on
// another connection than c: one that waits if there is one, else the newest.
// Two network namespaces may use the same addresses, so it does not look
// beyond c's.
func (tb *Table) elsewhere(c *fact.Conn, k Key, d event.Direction, t event.Time) (found *Transaction) {
	for tx := tb.byKey[k]; tx != nil; tx = tx.same {
		if tx.Dir != d || tx.Conn == c || tx.deadline <= t ||
			tx.Conn.NetNS != c.NetNS && tx.Conn.NetNS != 0 && c.NetNS != 0 {
			continue
		}
		if tx.pending {
			return tx
		}
		if found == nil {
			found = tx
		}
	}
	return found
}

// insert puts tx in front of those with its key, whose newest is head.
func (tb *Table) insert(tx, head *Transaction) {
	tx.same = head
	tb.byKey[tx.Key] = tx
	tb.n++
	if tx.Dir == event.In {
		tb.received++
	}
	same := 1
	for oldest := head; oldest != nil; oldest = oldest.same {
		if same++; same > maxSame {
			tb.Evicted++
			tb.drop(oldest)
			return
		}
	}
}

// unchain takes tx out of those with its key.
func (tb *Table) unchain(tx *Transaction) {
	tb.n--
	if tx.Dir == event.In {
		tb.received--
	}
	head := tb.byKey[tx.Key]
	if head == tx {
		if tx.same == nil {
			delete(tb.byKey, tx.Key)
		} else {
			tb.byKey[tx.Key] = tx.same
		}
		tx.same = nil
		return
	}
	for head.same != tx {
		head = head.same
	}
	head.same, tx.same = tx.same, nil
}
