// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Traits are what is true of a message and its connection, as cheap to find as
// a look at a few fields. [Check.Only] names those without which a check has
// nothing to say: most messages have hardly any, and are shown to a few checks
// instead of a hundred.
type Traits uint32

const (
	New        Traits = 1 << iota // the first copy of a request, or of its final response
	Again                         // a retransmission
	Register                      // REGISTER, or its response
	Failure                       // a response of 300 and above
	Outgoing                      // sent by this host
	Backward                      // sent by the side that accepted the connection
	Beginning                     // the sender has sent one request on the connection, or none
	Over                          // somebody has begun to end the connection
	Datagram                      // on UDP
	Secured                       // on TLS
	Beating                       // there were keep-alives on the connection
	Negotiated                    // something was offered on the connection, or on that of the request
	Reuse                         // the message, or its request, speaks of keep-alives, alias, outbound or persistent
	RPort                         // it has rport, or its request had
	Bound                         // there are bindings of registrations
	Elsewhere                     // a response on another connection than its request
	Unmatched                     // a response without a request
	Remembered                    // the transaction has notes
)

// traits finds those of the message that x is about.
func (x *Scene) traits() (t Traits) {
	c, m, tx := x.Conn, x.Msg, x.Tx
	writer := x.Writer()
	requests := &c.Received
	if x.Dir == event.Out {
		t |= Outgoing
		requests = &c.Sent
	}
	switch x.Verdict {
	case transaction.Fresh, transaction.Final:
		t |= New
	case transaction.Retransmission:
		t |= Again
	case transaction.Unmatched:
		t |= Unmatched
	}
	switch c.Transport {
	case event.UDP:
		t |= Datagram
	case event.TLS:
		t |= Secured
	}
	if m.Method == sipparse.MethodRegister {
		t |= Register
	}
	if m.Status >= 300 {
		t |= Failure
	}
	if writer == c.Acceptor() {
		t |= Backward
	}
	if requests.N <= 1 {
		t |= Beginning
	}
	if c.EndedAt != 0 {
		t |= Over
	}
	if c.Alive != nil {
		t |= Beating
	}
	if c.Neg != nil {
		t |= Negotiated
	}
	via := &m.Via
	if via.RPort.Present {
		t |= RPort
	}
	if via.Keep.Present || via.Alias || via.Persistent || via.Transport == sipparse.TransportPTCP || m.LowerKeep ||
		m.FlowTimer.Present || m.MinPersistence.Present || m.PersistentTimeout.Present {
		t |= Reuse
	}
	if x.Bindings.Len() > 0 {
		t |= Bound
	}
	if tx == nil {
		return t
	}
	if o := &tx.Offer; o.Any() || o.KeepSeen || o.KeepLower {
		t |= Reuse
	}
	if tx.Asked.RPort != transaction.RPortNone {
		t |= RPort
	}
	if tx.Conn != c {
		t |= Elsewhere
		if tx.Conn.Neg != nil {
			t |= Negotiated
		}
	}
	if tx.Notes != nil {
		t |= Remembered
	}
	return t
}
