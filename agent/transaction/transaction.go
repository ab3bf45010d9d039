// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
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
	Start event.Time            // of the first copy
	Again []event.Time          // of the others, as far as the first fifteen
	Notes *note.Pad

	Copies     uint16     // of the request, the first included
	AnsweredAt event.Time // first response, 0 before
	FinalAt    event.Time // first final one, 0 before
	Elsewhere  bool       // a response came on another connection

	deadline event.Time
	toTag    uint64 // hash of the last final response's To tag
	status   uint16 // last response's, 0 if there was none
	acked    bool
	pending  bool

	owner                *Owner
	prev, next           *Transaction // of the owner
	queue                *queue
	olderQueued, younger *Transaction
	chain                *Transaction // same key, older
	upstream             *Transaction // that this one forwards
	forks, sibling       *Transaction // that forward this one; next fork of the same
}

const maxAgain = 15

// Asked is what the request said that its responses are compared with; what
// it offers is in Offer.
type Asked struct {
	Call     uint64 // which Call-ID, see negotiate.CallOf
	CSeq     uint32
	Size     uint32 // bytes on the wire
	Vias     uint16
	RPort    RPort
	RPortN   uint16 // of RPortValued
	InDialog bool   // it has a To tag
}

// RPort is how a Via has rport (RFC 3581 section 3).
type RPort uint8

const (
	RPortNone   RPort = iota
	RPortBare         // or malformed
	RPortValued       // with a port
)

// RPortOf reads the rport of via.
func RPortOf(via *sipparse.Via) RPort {
	switch {
	case !via.RPort.Present:
		return RPortNone
	case via.RPort.HasValue && via.RPort.Valid:
		return RPortValued
	}
	return RPortBare
}

func asked(m *message.Message) Asked {
	a := Asked{
		Call: negotiate.CallOf(m.CallID), CSeq: m.CSeq.N, Size: uint32(m.Size), Vias: uint16(min(m.Vias, 1<<16-1)),
		RPort: RPortOf(&m.Via), InDialog: len(m.ToTag) > 0,
	}
	if a.RPort == RPortValued {
		a.RPortN = uint16(m.Via.RPort.N)
	}
	return a
}

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
	tx.upstream, tx.sibling, up.forks = up, up.forks, tx
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
