// SPDX-License-Identifier: Apache-2.0

package rport

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

var staysOpen = rule.Rule{
	ID:       "RP-05",
	Source:   "RFC 3581 section 3",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "Who asks for rport by UDP can receive the response where it sent the request from, until that is final.",
	Broken:   "The socket of a request with rport was closed before the final response",
	Silent: "Another socket was bound to the same port, the process was ending, or the sockets of this host are not known. " +
		"Of a neighbour only an ICMP error would tell, which is not seen.",
	Check: rule.Check{Ended: socketGone},
}

// settle is how long another socket may take to be known.
const settle = 2 * time.Second

func socketGone(x *rule.Scene) {
	c := x.Conn
	if c.Transport != event.UDP || c.By != event.Local || c.Exiting || !x.Listeners.Known(c.NetNS) {
		return
	}
	txs, _ := x.Ends(c)
	for tx := range txs.Waiting(x.Now) {
		if tx.Dir != event.Out || tx.Asked.RPort == transaction.RPortNone {
			continue
		}
		key, label, age, port := tx.Key, tx.Offer.Label, x.Now.Sub(tx.Start), tx.Local.Port()
		x.After(settle, func(x *rule.Scene) {
			if x.Listeners.At(x.Conn.NetNS, false, port) || !x.Listeners.Known(x.Conn.NetNS) {
				return
			}
			for tx := range x.Txs.Find(key) {
				if tx.Conn == x.Conn && tx.Pending() {
					x.Raise(event.Local, "the socket at port %d was closed %.1f s after %s", port, age.Seconds(), label)
				}
			}
		})
	}
}

var listensAtSentBy = rule.Rule{
	ID:       "RP-06",
	Source:   "RFC 3581 section 3, RFC 3261 section 18.1.1",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "Who asks for rport by UDP receives at the port of its sent-by too, for servers that do not know rport.",
	Broken:   "No UDP socket is bound to the sent-by port of a request with rport",
	Silent: "The sent-by is not this host's address (a NAT, a name), or the sockets at that port are not known: those at 5060, 5061 and where this host accepts TCP are. " +
		"It is said after two minutes, when every socket has been seen. Of a neighbour it cannot be known.",
	Scope: rule.PerPeer,
	Check: rule.Check{Only: rule.New | rule.Outgoing | rule.Beginning | rule.Datagram | rule.RPort, Request: elsewhere},
}

// known is how long a socket that carries nothing may stay unnoticed.
const known = 2 * time.Minute

func elsewhere(x *rule.Scene) {
	c := x.Conn
	if c.Transport != event.UDP || x.Dir != event.Out || c.Sent.N != 1 || x.Verdict != transaction.Fresh ||
		x.Tx.Asked.RPort == transaction.RPortNone || x.Tx.Asked.SentBy != transaction.HostSource {
		return
	}
	port := x.Tx.Asked.Port
	if port == 0 {
		port = 5060
	}
	if port == x.Local.Port() || !missing(x, port) {
		return
	}
	via := string(x.Msg.Via.Raw)
	x.After(known, func(x *rule.Scene) {
		if missing(x, port) {
			x.Raise(event.Local, "Via: %s, sent from port %d", via, x.Conn.Local.Port())
		}
	})
}

// missing says whether a socket at the UDP port would be known and is not.
func missing(x *rule.Scene, port uint16) bool {
	netns := x.Conn.NetNS
	if !x.Listeners.Known(netns) || x.Listeners.At(netns, false, port) {
		return false
	}
	return port == 5060 || port == 5061 || x.Listeners.At(netns, true, port)
}
