// SPDX-License-Identifier: Apache-2.0

// Package transaction matches responses to requests (RFC 3261 section 17.1.3)
// as an observer between the two sees them, tells new requests from
// retransmissions, and knows which transactions wait for a final response.
package transaction

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/message"
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

// Owner is a connection's end of the table.
type Owner struct {
	Conn      *fact.Conn
	all       chain.Chain[Transaction]
	Completed uint32 // transactions that got a final response
	TimedOut  uint32 // transactions that got none
}

// queue is a list by age; all in it live equally long, so its front expires
// first.
type queue struct{ chain.Chain[Transaction] }

// Table holds at most Limit transactions.
type Table struct {
	Limit   int
	Evicted uint64
	// Unanswered, if set, is called for a transaction whose time has passed
	// without a final response, at its deadline.
	Unanswered func(tx *Transaction, deadline event.Time)

	byKey     map[Key]*Transaction // the newest of each
	n         int
	received  int   // of these, whose request came in
	waiting   queue // no response, or a request other than INVITE
	proceed   queue // INVITE after a provisional response
	completed queue // kept to know retransmissions
	free      *Transaction
	spent     *Transaction // was completed and removed, the caller looks at it
}

// New returns an empty table.
func New(limit int) *Table { return &Table{Limit: limit, byKey: make(map[Key]*Transaction)} }

// Len is the number of transactions held.
func (tb *Table) Len() int { return tb.n }

// Verdict on a message.
type Verdict uint8

const (
	Fresh          Verdict = iota // first copy of a request on its connection
	Retransmission                // of a request or of a final response
	Ack                           // ACK, which has no response of its own
	Provisional
	Final
	Unmatched // response without a known request
)

// Request takes the request m with the key k that went in direction d on o's
// connection. The transaction of an ACK is the INVITE's with its branch, on
// whatever connection that went; the ACK of a 2xx has none.
func (tb *Table) Request(o *Owner, k Key, d event.Direction, m *message.Message, t event.Time) (*Transaction, Verdict) {
	tb.recycle()
	tx, newest := tb.on(o.Conn, k, d, t)
	if m.Method == sipparse.MethodAck {
		if tx == nil {
			tx = tb.elsewhere(o.Conn, k, d, t)
		}
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
		tx.Copies++
		if len(tx.Again) < maxAgain {
			tx.Again = append(tx.Again, t)
		}
		return tx, Retransmission
	}
	if tb.n >= tb.Limit {
		tb.evict()
		newest = tb.byKey[k]
	}
	tx = tb.fresh()
	*tx = Transaction{
		Key: k, Dir: d, Conn: o.Conn, Asked: asked(m, o.Conn.Address(fact.Side(d)).Addr()), Start: t, Again: tx.Again[:0], Copies: 1,
		deadline: t.Add(Timeout), pending: true, owner: o,
	}
	tb.insert(tx, newest)
	tx.own.Join(&o.all, tx)
	tx.age.Join(&tb.waiting.Chain, tx)
	if d == event.Out && m.Vias > 1 && tb.received > 0 {
		tb.link(tx, m)
	}
	return tx, Fresh
}

// link finds the request that a proxy on this host forwards by m: the Via
// below its own was on top then (RFC 3261 section 16.6).
func (tb *Table) link(tx *Transaction, m *message.Message) {
	for up := tb.byKey[KeyBy(m, &m.Second)]; up != nil; up = up.same {
		if up.Dir == event.In && up.Asked.Call == tx.Asked.Call {
			tx.forwards(up)
			return
		}
	}
}

// Response takes a response to the request k that went in direction d, the
// opposite of its own. It completes the transaction whether it is seen on the
// connection of the request, o's, or on another one; then Elsewhere is set.
// UDP's transactions are remembered for retransmissions, and INVITEs are
// always, for their ACK and because a 2xx is repeated on every transport
// (RFC 3261 section 13.3.1.4).
func (tb *Table) Response(o *Owner, k Key, d event.Direction, status int, toTag uint64, t event.Time) (*Transaction, Verdict) {
	tb.recycle()
	tx, newest := tb.on(o.Conn, k, d, t)
	if tx == nil {
		if tx = tb.elsewhere(o.Conn, k, d, t); tx == nil {
			return nil, Unmatched
		}
		tx.Elsewhere = true
	}
	if tx.AnsweredAt == 0 {
		tx.AnsweredAt = t
	}
	switch {
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
	tb.complete(tx, t)
	tx.status, tx.toTag = uint16(status), toTag
	for copied := newest; copied != nil; copied = copied.same {
		if copied.Dir == d && copied.pending { // the same request on another connection
			tb.complete(copied, t)
			copied.status, copied.toTag = tx.status, tx.toTag
			tb.requeue(copied, &tb.completed, t.Add(Timeout))
		}
	}
	if tx.Conn.Transport == event.UDP || k.Method == sipparse.MethodInvite {
		tb.requeue(tx, &tb.completed, t.Add(Timeout))
	} else {
		tb.remove(tx)
		tb.spent = tx
	}
	return tx, Final
}

func (tb *Table) complete(tx *Transaction, t event.Time) {
	if tx.pending {
		tx.owner.Completed++
		tx.pending, tx.FinalAt = false, t
	}
}

// Pending counts o's transactions that waited for a final response at t.
func (o *Owner) Pending(t event.Time) int {
	n := 0
	for range o.Waiting(t) {
		n++
	}
	return n
}
