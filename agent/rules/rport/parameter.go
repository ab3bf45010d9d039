// SPDX-License-Identifier: Apache-2.0

package rport

import (
	"bytes"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var bare = rule.Rule{
	ID:       "RP-01",
	Source:   "RFC 3581 section 3",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "rport on the topmost Via of a request has no value.",
	Broken:   "A request has an rport with a value on its topmost Via",
	Silent:   "The Vias below rightly have values. Of a neighbour's request it is not known who filled it in: a gateway between may have.",
	Check:    rule.Check{Only: rule.RPort, Request: valued},
}

func valued(x *rule.Scene) {
	if !x.Msg.Via.RPort.HasValue || transaction.RPortOf(&x.Msg.Via) != transaction.RPortValued || x.Verdict == transaction.Retransmission {
		return
	}
	party := event.Unknown
	if x.Dir == event.Out {
		party = event.Local
	}
	x.Raise(party, "Via: %s", x.Msg.Via.Raw)
}

var grammar = rule.Rule{
	ID:       "RP-09",
	Source:   "RFC 3581 section 5",
	Severity: rule.Info,
	Fault:    "writer",
	Asks:     "rport is bare, or has a number of digits.",
	Broken:   "An rport is neither bare nor a port number",
	Silent:   "In a response only if the request's was well formed, as it may be an echo. In a request it counts as bare, in a response as absent.",
	Check:    rule.Check{Only: rule.RPort, Request: malformed, Response: malformed},
}

func malformed(x *rule.Scene) {
	via := &x.Msg.Via
	if !via.RPort.Present || x.Verdict == transaction.Retransmission {
		return
	}
	bad := transaction.RPortOf(via) == transaction.RPortBad
	if !bad && !(x.Msg.Request && via.Defects.Has(sipparse.CodeParamDuplicate) && twice(via.Params)) {
		return
	}
	if x.Msg.Request || x.Tx != nil && x.Tx.Asked.RPort != transaction.RPortBad {
		x.Raise(x.Writer(), "Via: %s", via.Raw)
	}
}

// twice says whether rport is there more than once.
func twice(params []byte) bool {
	n := 0
	var p sipparse.Param
	for list := sipparse.Params(params); list.Next(&p); {
		if bytes.EqualFold(p.Name, []byte("rport")) {
			n++
		}
	}
	return n > 1
}

var unasked = rule.Rule{
	ID:       "RP-11",
	Source:   "RFC 3581 section 4, RFC 3261 section 8.2.6.2",
	Severity: rule.Advice,
	Fault:    "server",
	Asks:     "A response has rport only if the topmost Via of its request had.",
	Broken:   "A response gained an rport that its request did not ask for",
	Silent:   "The request was not seen. Servers do it on purpose to help clients behind NATs: info where peers are.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.RPort, Response: gained},
}

func gained(x *rule.Scene) {
	if !x.Msg.Via.RPort.Present || x.Tx == nil || x.Tx.Asked.RPort != transaction.RPortNone ||
		transaction.RPortOf(&x.Msg.Via) != transaction.RPortValued {
		return
	}
	s := rule.Advice
	if x.Profile.NAT {
		s = rule.Info
	}
	x.RaiseAs(s, x.Writer(), "Via: %s", x.Msg.Via.Raw)
}

var filled = rule.Rule{
	ID:       "RP-02",
	Source:   "RFC 3581 section 4",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A server that knows rport sets a bare one to the source port of the request and adds received with the source address, over every transport.",
	Broken:   "A server answered rport wrongly, or not at all",
	Silent: "The request was not seen. A neighbour's values are not compared: a NAT may have changed the source. " +
		"An rport that stays bare means a server of RFC 3261 alone: info.",
	Scope: rule.PerPeer,
	Check: rule.Check{Only: rule.RPort, Response: answered},
}

func answered(x *rule.Scene) {
	if x.Tx == nil || x.Tx.Asked.RPort != transaction.RPortBare || x.Verdict == transaction.Retransmission {
		return
	}
	via := &x.Msg.Via
	switch transaction.RPortOf(via) {
	case transaction.RPortBad:
		return // RP-09
	case transaction.RPortBare, transaction.RPortNone:
		if first(x) {
			x.RaiseFor(1, rule.Info, x.Writer(), "Via: %s: rport not supported", via.Raw)
		}
		return
	}
	if !via.HasReceived {
		x.Raise(x.Writer(), "Via: %s has no received", via.Raw)
		return
	}
	if x.Dir == event.Out && !x.Conn.Sideless && !isSource(x, via) {
		x.Raise(event.Local, "Via: %s; the request came from %s", via.Raw, x.Tx.Source())
	}
}

// first says whether x.Msg is one of the first responses that go its way: what
// a server does not know it will not know later, and such servers are many.
func first(x *rule.Scene) bool {
	n := x.Conn.Messages.ResponsesSent
	if x.Dir == event.In {
		n = x.Conn.Messages.ResponsesReceived
	}
	return n <= 4
}

// isSource says whether received and rport are where a copy of the request
// came from.
func isSource(x *rule.Scene, via *sipparse.Via) bool {
	source := func(tx *transaction.Transaction) bool {
		from := tx.Source()
		return uint32(from.Port()) == via.RPort.N && transaction.HostOf(via.Received, from.Addr()) == transaction.HostSource
	}
	if source(x.Tx) {
		return true
	}
	for other := range x.Txs.Same(x.Tx) {
		if source(other) {
			return true
		}
	}
	return false
}
