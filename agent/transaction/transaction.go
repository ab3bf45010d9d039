// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Transaction is one request, as it was seen on one connection, and what
// answered it. A request that is sent on two connections is two of them, see
// [Table.Same].
type Transaction struct {
	Key   Key
	Dir   event.Direction // of the request
	Conn  *fact.Conn      // on which the request was seen; it may be closed by now
	Asked Asked
	Offer negotiate.Offer
	Binds *registration.Request // what a REGISTER asks for; nil for others
	Local netip.AddrPort        // this host's end of the first copy
	Start event.Time            // of the first copy
	Again []event.Time          // of the others, as far as the first fifteen
	Notes *note.Pad

	Relayed Relayed // by the proxy that received the request

	Copies     uint16     // of the request, the first included
	AnsweredAt event.Time // first response, 0 before
	FinalAt    event.Time // first final one, 0 before
	Elsewhere  bool       // a response came on another connection
	Forwarded  bool       // a proxy on this host sent the request on

	deadline event.Time
	toTag    uint64 // hash of the last final response's To tag
	status   uint16 // last response's, 0 if there was none
	acked    bool
	pending  bool

	owner          *Owner
	own            chain.Link[Transaction] // of the owner
	age            chain.Link[Transaction] // of a queue
	same           *Transaction            // of this key, older
	upstream       *Transaction            // that this one forwards
	forks, sibling *Transaction            // that forward this one; next fork of the same
}

const maxAgain = 15

// Pending says whether the transaction waits for its final response.
func (tx *Transaction) Pending() bool { return tx.pending }

// Status is that of the last response, 0 if there was none.
func (tx *Transaction) Status() int { return int(tx.status) }

// Acked says whether an ACK was seen.
func (tx *Transaction) Acked() bool { return tx.acked }

// Upstream is the transaction in which a proxy on this host received the
// request that it forwards in tx, or nil.
func (tx *Transaction) Upstream() *Transaction { return tx.upstream }

// Forks yields the transactions in which a proxy on this host forwards tx,
// newest first.
func (tx *Transaction) Forks(yield func(*Transaction) bool) {
	for f := tx.forks; f != nil; f = f.sibling {
		if !yield(f) {
			return
		}
	}
}

// forwards links tx to the request that it forwards.
func (tx *Transaction) forwards(up *Transaction) {
	tx.upstream, tx.sibling, up.forks, up.Forwarded = up, up.forks, tx, true
}

// part undoes forwards, on both sides.
func (tx *Transaction) part() {
	if up := tx.upstream; up != nil {
		p := &up.forks
		for *p != tx {
			p = &(*p).sibling
		}
		*p = tx.sibling
		tx.upstream, tx.sibling = nil, nil
	}
	for f := tx.forks; f != nil; {
		next := f.sibling
		f.upstream, f.sibling = nil, nil
		f = next
	}
	tx.forks = nil
}

// Source is the address that the request came from.
func (tx *Transaction) Source() netip.AddrPort {
	if tx.Dir == event.In {
		return tx.Conn.Remote
	}
	return tx.Local
}

// Target is the address that the request was sent to.
func (tx *Transaction) Target() netip.AddrPort {
	if tx.Dir == event.Out {
		return tx.Conn.Remote
	}
	return tx.Local
}
