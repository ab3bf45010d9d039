// SPDX-License-Identifier: Apache-2.0

package rport

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var sameSource = rule.Rule{
	ID:       "RP-03",
	Source:   "RFC 3581 section 4",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "By UDP a response whose topmost Via has received and a value in rport leaves from the address and port that the request came to.",
	Broken:   "A response left from another address or port than its request had come to",
	Silent:   "The request was not seen, or it went to several addresses.",
	Check:    rule.Check{Only: rule.RPort | rule.Datagram, Response: leftFrom},
}

// symmetric says whether x.Msg is a response that RFC 3581 routes: by UDP, no
// maddr, received and rport on its topmost Via.
func symmetric(x *rule.Scene) bool {
	via := &x.Msg.Via
	return x.Conn.Transport == event.UDP && via.RPort.Valid && via.RPort.N > 0 && via.HasReceived && via.MAddr == nil &&
		via.Transport == sipparse.TransportUDP && x.Verdict != transaction.Retransmission
}

func leftFrom(x *rule.Scene) {
	if !symmetric(x) || x.Tx == nil || x.Tx.Conn.Transport != event.UDP {
		return
	}
	from, to := x.Local, x.Tx.Target()
	if x.Dir == event.In {
		from = x.Conn.Remote
	}
	if from == to || from.Addr().IsUnspecified() || to.Addr().IsUnspecified() {
		return
	}
	for other := range x.Txs.Same(x.Tx) {
		if other.Target() == from {
			return
		}
	}
	x.Raise(x.Writer(), "%d to %s left from %s, the request came to %s", x.Msg.Status, x.Tx.Offer.Label, from, to)
}

var toSource = rule.Rule{
	ID:       "RP-04",
	Source:   "RFC 3581 section 4",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "By UDP a response whose topmost Via has received and a value in rport goes to that address and port.",
	Broken:   "A response did not go to the received and rport of its topmost Via",
	Silent:   "It went to where the request had come from, and the Via is wrong (RP-02). A neighbour is judged if no NAT is between: received is this host's own address.",
	Check:    rule.Check{Only: rule.RPort | rule.Datagram, Response: wentTo},
}

func wentTo(x *rule.Scene) {
	if !symmetric(x) {
		return
	}
	via := &x.Msg.Via
	to := x.Local
	if x.Dir == event.Out {
		to = x.Conn.Remote
	}
	host := transaction.HostOf(via.Received, to.Addr())
	if host == transaction.HostSource && uint32(to.Port()) == via.RPort.N {
		return
	}
	if host == transaction.HostName || x.Dir == event.In && (host != transaction.HostSource || x.Conn.Sideless || x.Tx == nil) {
		return
	}
	if x.Tx != nil && cameFrom(x, to) {
		return
	}
	x.Raise(x.Writer(), "%d went to %s, Via: %s", x.Msg.Status, to, via.Raw)
}

// cameFrom says whether a copy of the request was sent from that address.
func cameFrom(x *rule.Scene, to netip.AddrPort) bool {
	if x.Tx.Source() == to {
		return true
	}
	for other := range x.Txs.Same(x.Tx) {
		if other.Source() == to {
			return true
		}
	}
	return false
}
