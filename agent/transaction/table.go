// SPDX-License-Identifier: Apache-2.0

// Package transaction matches responses to requests (RFC 3261 section 17.1.3)
// as an observer between the two sees them, tells new requests from
// retransmissions, and knows which transactions wait for a final response.
package transaction

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Life of a transaction without a final response. Timers B and F are 64*T1.
// After a provisional response an INVITE may wait as long as Timer C of a
// proxy, which is more than three minutes (RFC 3261 section 16.6), and then
// the CANCEL needs its 64*T1.
const (
	Timeout       = 32 * time.Second
	InviteTimeout = 3*time.Minute + Timeout
)

// Key identifies a transaction: what the topmost Via and the CSeq say (Hash),
// the connection, and the direction of the request. ACK has INVITE's.
type Key struct {
	Conn   uint64
	Hash   uint64
	Method sipparse.Method
	Dir    event.Direction
}

// Transaction is one request and what answered it.
type Transaction struct {
	Key   Key
	Conn  *fact.Conn // on which the request was seen
	Offer negotiate.Offer
	Start event.Time
	Notes *note.Pad

	deadline event.Time
	toTag    uint64 // hash of the last final response's To tag
	status   uint16 // last response's, 0 if there was none
	pending  bool
	acked    bool

	owner                *Owner
	prev, next           *Transaction // of the owner
	queue                *queue
	olderQueued, younger *Transaction
}

// Owner is a connection's end of the table.
type Owner struct {
	Conn      *fact.Conn
	head      *Transaction
	Completed uint32 // transactions that got a final response
	TimedOut  uint32 // transactions that got none
}

// queue is a list by age; all in it live equally long, so its front expires
// first.
type queue struct{ oldest, youngest *Transaction }

// Table holds at most Limit transactions.
type Table struct {
	Limit   int
	Evicted uint64

	byKey     map[Key]*Transaction
	waiting   queue // no response, or a request other than INVITE
	proceed   queue // INVITE after a provisional response
	completed queue // kept to know retransmissions
	free      *Transaction
}

// New returns an empty table.
func New(limit int) *Table { return &Table{Limit: limit, byKey: make(map[Key]*Transaction)} }

// Len is the number of transactions held.
func (tb *Table) Len() int { return len(tb.byKey) }

// Verdict on a message.
type Verdict uint8

const (
	Fresh          Verdict = iota // first copy of a request
	Retransmission                // of a request or of a final response
	Ack                           // ACK, which has no response of its own
	Provisional
	Final
	Unmatched // response without a known request
)

// Request takes a request that arrived for o. keep says to remember the
// transaction after its final response, which transports without a
// retransmission of their own need.
func (tb *Table) Request(o *Owner, k Key, m *message.Message, t event.Time) (*Transaction, Verdict) {
	tx := tb.get(k, t)
	if m.Method == sipparse.MethodAck {
		if tx == nil {
			return nil, Ack // of a 2xx: a transaction of its own, never answered
		}
		if tx.acked {
			return tx, Retransmission
		}
		tx.acked = true
		return tx, Ack
	}
	if tx != nil {
		return tx, Retransmission
	}
	if len(tb.byKey) >= tb.Limit {
		tb.evict()
	}
	tx = tb.fresh()
	*tx = Transaction{Key: k, Conn: o.Conn, Start: t, deadline: t.Add(Timeout), pending: true, owner: o}
	tb.byKey[k] = tx
	o.push(tx)
	tb.waiting.push(tx)
	return tx, Fresh
}

// Response takes a response to the transaction k. linger says to remember a
// completed transaction for retransmissions; INVITEs are always remembered,
// for their ACK and because a 2xx is repeated on every transport (RFC 3261
// section 13.3.1.4).
func (tb *Table) Response(k Key, status int, toTag uint64, linger bool, t event.Time) (*Transaction, Verdict) {
	tx := tb.get(k, t)
	switch {
	case tx == nil:
		return nil, Unmatched
	case status < 200:
		if tx.pending && k.Method == sipparse.MethodInvite {
			tb.requeue(tx, &tb.proceed, t.Add(InviteTimeout))
		}
		if tx.pending {
			tx.status = uint16(status)
		}
		return tx, Provisional
	case !tx.pending && int(tx.status) == status && tx.toTag == toTag:
		return tx, Retransmission
	}
	if tx.pending {
		tx.owner.Completed++
	}
	tx.pending, tx.status, tx.toTag = false, uint16(status), toTag
	if linger || k.Method == sipparse.MethodInvite {
		tb.requeue(tx, &tb.completed, t.Add(Timeout))
	} else {
		tb.remove(tx)
	}
	return tx, Final
}

// Pending counts o's transactions that waited for a final response at t.
func (o *Owner) Pending(t event.Time) int {
	n := 0
	for tx := o.head; tx != nil; tx = tx.next {
		if tx.pending && tx.deadline > t {
			n++
		}
	}
	return n
}

// Expire drops what has waited or been kept for long enough.
func (tb *Table) Expire(now event.Time) {
	for _, q := range []*queue{&tb.waiting, &tb.proceed, &tb.completed} {
		for q.oldest != nil && q.oldest.deadline <= now {
			tb.expire(q.oldest)
		}
	}
}

func (tb *Table) expire(tx *Transaction) {
	if tx.pending {
		tx.owner.TimedOut++
	}
	tb.remove(tx)
}

// get returns the transaction k if its time has not passed by t.
func (tb *Table) get(k Key, t event.Time) *Transaction {
	tx := tb.byKey[k]
	if tx != nil && tx.deadline <= t {
		tb.expire(tx)
		return nil
	}
	return tx
}

// Release drops all transactions of o.
func (tb *Table) Release(o *Owner) {
	for o.head != nil {
		tb.remove(o.head)
	}
}

func (tb *Table) evict() {
	for _, q := range []*queue{&tb.completed, &tb.waiting, &tb.proceed} {
		if q.oldest != nil {
			tb.Evicted++
			tb.remove(q.oldest)
			return
		}
	}
}
