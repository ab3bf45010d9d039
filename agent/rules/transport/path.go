// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var sameConnection = rule.Rule{
	ID:       "TP-03",
	Source:   "RFC 3261 section 18.2.2",
	Severity: rule.Violation,
	Fault:    "responder",
	Asks:     "The response to a request that came over a stream goes back on the same connection while that is open.",
	Broken:   "A response was sent on another connection although the request's was open",
	Silent:   "Either side had begun to close the request's connection, the request was sent on both, or the connection was not seen from its beginning.",
	Check:    rule.Check{Only: rule.Elsewhere, Response: elsewhere},
}

func elsewhere(x *rule.Scene) {
	if x.Tx == nil || x.Tx.Conn == x.Conn || !x.Tx.Conn.Stream() || !x.Tx.Conn.Open() || x.Verdict == transaction.Retransmission {
		return
	}
	if x.Tx.Conn.Incomplete || x.Msg.Via.Transport == sipparse.TransportUDP || copied(x.Tx, x) {
		return
	}
	x.Raise(x.Writer(), "%d to %s, whose request went between %s and %s", x.Msg.Status, x.Tx.Offer.Label, x.Tx.Conn.Local, x.Tx.Conn.Remote)
}

// copied says whether the request went on more connections than one: which of
// them its sender means is not known.
func copied(tx *transaction.Transaction, x *rule.Scene) bool {
	for range x.Txs.Same(tx) {
		return true
	}
	return false
}

var newConnection = rule.Rule{
	ID:       "TP-04",
	Source:   "RFC 3261 section 18.2.2",
	Severity: rule.Advice,
	Fault:    "responder",
	Asks:     "If the connection of a request is gone, the response goes over a new one to the request's source address and the port of its sent-by.",
	Broken:   "The connection of a request was gone, and its response was not sent to the source address and the sent-by port",
	Silent: "Only this host's own responses are judged. Silent if the sent-by names another address than the request came from (a NAT) or the port it was sent from, " +
		"and if the process was ending; info where peers are behind NATs.",
	Scope: rule.PerPeer,
	Check: rule.Check{Only: rule.Elsewhere | rule.Outgoing, TimedOut: notSought, Response: soughtAmiss},
}

// notSought judges a request that this host never answered after its
// connection had gone.
func notSought(x *rule.Scene) {
	tx := x.Tx
	c := tx.Conn
	if tx.Dir != event.In || !c.Stream() || c.EndedAt == 0 || c.EndedAt < tx.Start || c.Incomplete {
		return
	}
	back := backTo(tx)
	if c.Exiting || !back.IsValid() || tx.Upstream() != nil {
		return
	}
	if at, tried := mine(x).connects.m[place{c.NetNS, back}]; tried && at >= c.EndedAt {
		return
	}
	for range x.Outgoing.To(back) {
		return
	}
	x.RaiseAs(natInfo(x), event.Local, "%s was not answered, no connection to %s was tried", tx.Offer.Label, back)
}

// backTo is where a server connects to if the connection of tx is gone; it is
// not valid if that cannot be told or cannot work.
func backTo(tx *transaction.Transaction) netip.AddrPort {
	port := tx.Asked.Port
	if port == 0 {
		if port = 5060; tx.Conn.Transport == event.TLS {
			port = 5061
		}
	}
	source := tx.Source()
	if tx.Asked.SentBy != transaction.HostSource || port == source.Port() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(source.Addr(), port)
}

func soughtAmiss(x *rule.Scene) {
	if x.Tx == nil || x.Tx.Conn == x.Conn || x.Dir != event.Out || !x.Tx.Conn.Stream() || x.Tx.Conn.Open() ||
		x.Verdict == transaction.Retransmission || x.Conn.Initiator != event.Local {
		return
	}
	if back := backTo(x.Tx); back.IsValid() && x.Conn.Remote != back {
		x.RaiseAs(natInfo(x), event.Local, "%d to %s went to %s instead of %s", x.Msg.Status, x.Tx.Offer.Label, x.Conn.Remote, back)
	}
}

func natInfo(x *rule.Scene) rule.Severity {
	if x.Profile.NAT {
		return rule.Info
	}
	return rule.Advice
}

var sameTarget = rule.Rule{
	ID:       "TP-23",
	Source:   "RFC 3261 sections 9.1 and 17.1.1.2",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "CANCEL and the ACK for a final response other than 2xx go to the address, port and transport that the request went to.",
	Broken:   "A CANCEL or ACK went to another address, port or transport than its INVITE",
	Silent:   "The INVITE was not seen, or it went over a connection that the other side had opened: that one's far end is not where a new connection goes.",
	Check:    rule.Check{Request: astray},
}

func astray(x *rule.Scene) {
	tx := x.Tx
	switch x.Msg.Method {
	case sipparse.MethodCancel:
		if tx = canceled(x); tx == nil || x.Verdict != transaction.Fresh {
			return
		}
	case sipparse.MethodAck:
		if tx == nil || tx.Conn == x.Conn || tx.Status() < 300 {
			return
		}
	default:
		return
	}
	there, here := tx.Target(), x.Local
	if x.Dir == event.Out {
		here = x.Conn.Remote
	}
	if there == here && tx.Conn.Transport == x.Conn.Transport || tx.Conn.Stream() && tx.Conn.Initiator != x.Writer() {
		return
	}
	x.Raise(x.Writer(), "%s went to %s, its INVITE to %s", x.Msg.Label(), here, there)
}

// canceled is the INVITE that the CANCEL x.Msg is for, if that did not go on
// the same connection.
func canceled(x *rule.Scene) (other *transaction.Transaction) {
	for tx := range x.Txs.Find(transaction.KeyOf(x.Msg).Invite()) {
		if tx.Dir != x.Dir {
			continue
		}
		if tx.Conn == x.Conn {
			return nil
		}
		other = tx
	}
	return other
}
