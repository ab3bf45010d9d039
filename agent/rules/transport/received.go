// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

var received = rule.Rule{
	ID:       "TP-12",
	Source:   "RFC 3261 section 18.2.1",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A server adds received with the source address to the topmost Via whose sent-by is a name or another address.",
	Broken:   "A response lacks received although the sent-by of its topmost Via is not the address that the request came from",
	Silent: "The request was not seen; or a neighbour answers and the sent-by is an address, which may be the one that it saw the request come from. " +
		"If the server filled in rport it is RP-02.",
	Check: rule.Check{Response: noReceived},
}

func noReceived(x *rule.Scene) {
	if x.Msg.Via.HasReceived || x.Tx == nil || x.Tx.Asked.SentBy == transaction.HostSource {
		return
	}
	if x.Dir == event.In && x.Tx.Asked.SentBy != transaction.HostName {
		return
	}
	if filledIn(x) || x.Conn.Sideless && x.Tx.Asked.SentBy != transaction.HostName {
		return
	}
	x.Raise(x.Writer(), "Via: %s; the request came from %s", x.Msg.Via.Raw, x.Tx.Source().Addr())
}

// filledIn says whether the server answers rport as RFC 3581 asks.
func filledIn(x *rule.Scene) bool {
	return x.Tx.Asked.RPort == transaction.RPortBare && transaction.RPortOf(&x.Msg.Via) == transaction.RPortValued
}

var receivedValue = rule.Rule{
	ID:       "TP-13",
	Source:   "RFC 3261 section 18.2.1, RFC 3581 section 4",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "received holds the address that the request came from.",
	Broken:   "received is not the address that the request came from",
	Silent:   "A neighbour's responses are not judged: a NAT may have changed the address. If the server filled in rport it is RP-02.",
	Check:    rule.Check{Only: rule.Outgoing, Response: wrongReceived},
}

func wrongReceived(x *rule.Scene) {
	if !x.Msg.Via.HasReceived || x.Dir != event.Out || x.Tx == nil || x.Conn.Sideless ||
		transaction.HostOf(x.Msg.Via.Received, x.Tx.Source().Addr()) == transaction.HostSource || filledIn(x) {
		return
	}
	for other := range x.Txs.Same(x.Tx) { // the request came from elsewhere too
		if transaction.HostOf(x.Msg.Via.Received, other.Source().Addr()) == transaction.HostSource {
			return
		}
	}
	x.Raise(event.Local, "Via: %s; the request came from %s", x.Msg.Via.Raw, x.Tx.Source().Addr())
}
