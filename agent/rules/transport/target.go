// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var responseTarget = rule.Rule{
	ID:       "TP-25",
	Source:   "RFC 3261 section 18.2.2, RFC 3581 section 4",
	Severity: rule.Violation,
	Fault:    "responder",
	Asks:     "By UDP a response goes to maddr, else to received, else to the sent-by of its topmost Via, each with the port of the sent-by or 5060.",
	Broken:   "A response went to another address or port by UDP than its topmost Via says",
	Silent: "With a value in rport it is RP-04. A sent-by that is a name leads anywhere. A neighbour is judged if no NAT is between: the Via names this host's own address. " +
		"To the port that the request came from instead is what NATs need: info.",
	Check: rule.Check{Only: rule.Datagram, Response: misdirected},
}

func misdirected(x *rule.Scene) {
	if x.Conn.Transport != event.UDP || x.Tx == nil || x.Verdict == transaction.Retransmission {
		return
	}
	via := &x.Msg.Via
	if via.MAddr == nil && transaction.RPortOf(via) == transaction.RPortValued || via.Transport != sipparse.TransportUDP {
		return
	}
	to := x.Local
	if x.Dir == event.Out {
		to = x.Conn.Remote
	}
	host, port := wanted(via)
	if port == to.Port() && transaction.HostOf(host, to.Addr()) == transaction.HostSource {
		return
	}
	addr, err := netip.ParseAddr(string(host))
	if err != nil {
		return
	}
	want := netip.AddrPortFrom(addr.Unmap().WithZone(""), port)
	if x.Dir == event.In && (want.Addr() != to.Addr() || want.Addr() != x.Tx.Source().Addr() || x.Conn.Sideless) {
		return // a NAT
	}
	s := rule.Violation
	if cameFrom(x, to) {
		s = rule.Info
	}
	x.RaiseAs(s, x.Writer(), "%d to %s went to %s instead of %s", x.Msg.Status, x.Tx.Offer.Label, to, want)
}

// cameFrom says whether the request was sent from that address and port.
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

// wanted is where a response with that topmost Via goes, which may be a name.
func wanted(via *sipparse.Via) (host []byte, port uint16) {
	if port = via.Port; port == 0 {
		port = 5060
	}
	switch {
	case via.MAddr != nil:
		return via.MAddr, port
	case via.HasReceived:
		return via.Received, port
	}
	return via.Host, port
}
