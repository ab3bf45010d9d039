// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var foreignSentBy = rule.Rule{
	ID:       "TP-10",
	Source:   "RFC 3261 section 18.1.2",
	Severity: rule.Advice,
	Fault:    "peer",
	Asks:     "A response is for who is named in the sent-by of its topmost Via; who is not drops it.",
	Broken:   "A response came whose topmost Via is not of this host",
	Silent:   "This host used the sent-by before, it is its address, it has sent no request that was seen, or the request may be older than the observation.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.Unmatched, Response: misrouted},
}

func misrouted(x *rule.Scene) {
	if x.Verdict != transaction.Unmatched || x.Dir != event.In || transaction.HostOf(x.Msg.Via.Host, x.Local.Addr()) == transaction.HostSource {
		return
	}
	m := mine(x)
	life := transaction.Timeout
	if x.Msg.Method == sipparse.MethodInvite {
		life = transaction.InviteTimeout
	}
	if _, own := m.sentBy.m[sentByOf(&x.Msg.Via)]; own || len(m.sentBy.m) == 0 || x.Now.Sub(m.since) < life {
		return
	}
	x.Raise(event.Remote, "Via: %s", x.Msg.Via.Raw)
}

var severalVias = rule.Rule{
	ID:       "TP-11",
	Source:   "RFC 3261 section 8.1.3.3",
	Severity: rule.Info,
	Fault:    "peer",
	Asks:     "The response to a request with one Via has one Via.",
	Broken:   "A response has more Vias than its request had",
	Silent:   "The request was not seen.",
	Check:    rule.Check{Response: moreVias},
}

func moreVias(x *rule.Scene) {
	if x.Dir == event.In && x.Msg.Vias > 1 && x.Tx != nil && x.Tx.Asked.Vias == 1 {
		x.Raise(event.Remote, "%d to %s has %d Vias, the request had one", x.Msg.Status, x.Tx.Offer.Label, x.Msg.Vias)
	}
}

var broadcast = rule.Rule{
	ID:       "TP-30",
	Source:   "RFC 3261 section 16.7, RFC 4475 section 3.3.10",
	Severity: rule.Advice,
	Fault:    "peer",
	Asks:     "No response is sent on to a broadcast address, nor to a multicast address without maddr.",
	Broken:   "A response is to be sent on to a broadcast or multicast address",
	Silent:   "The Via below the topmost of a response that comes in is judged, and where a response of this host goes.",
	Check:    rule.Check{Response: toAll},
}

func toAll(x *rule.Scene) {
	if x.Dir == event.In {
		if via := &x.Msg.Second; x.Msg.Vias > 1 && everybody(via) {
			x.Raise(event.Remote, "Via: %s", via.Raw)
		}
		return
	}
	if to := x.Conn.Remote.Addr(); (to == allHosts || to.IsMulticast()) && everybody(&x.Msg.Via) {
		x.Raise(event.Local, "%d went to %s", x.Msg.Status, x.Conn.Remote)
	}
}

var allHosts = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// everybody says whether via names a broadcast address, or a multicast one
// that it does not ask for by maddr.
func everybody(via *sipparse.Via) bool {
	h := via.Host
	if !via.IPv6 && (len(h) < 7 || h[0] != '2' || h[1] != '2' && h[1] != '3' && h[1] != '5') || len(h) == 0 {
		return false // the usual
	}
	a, err := netip.ParseAddr(string(h))
	return err == nil && (a == allHosts || a.IsMulticast() && via.MAddr == nil)
}
