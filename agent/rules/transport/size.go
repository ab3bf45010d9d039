// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// sizeLimit is for a path whose MTU is not known (RFC 3261 section 18.1.1).
const sizeLimit = 1300

var size = rule.Rule{
	ID:       "TP-07",
	Source:   "RFC 3261 section 18.1.1",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "A request of more than 1300 bytes goes over a transport with congestion control, such as TCP, unless the MTU of the path is known.",
	Broken:   "A request of more than 1300 bytes was sent by UDP",
	Silent:   "Responses are not bound, nor is the loopback. Where TCP was refused before it is TP-09. That a sender knows a larger MTU cannot be seen.",
	Check:    rule.Check{Only: rule.Datagram, Request: tooLong},
}

func tooLong(x *rule.Scene) {
	if x.Msg.Size <= sizeLimit || x.Conn.Transport != event.UDP || x.Verdict == transaction.Retransmission {
		return
	}
	if x.Conn.Remote.Addr().IsLoopback() || fellBack(x) {
		return
	}
	x.Raise(x.Writer(), "%s of %d bytes, %d fragments at an MTU of 1500", x.Msg.Label(), x.Msg.Size, fragments(x))
}

// fragments is in how many packets the datagram goes over Ethernet.
func fragments(x *rule.Scene) int {
	room := 1500 - 20 // IPv4
	if x.Conn.Remote.Addr().Is6() {
		room = 1500 - 40
	}
	n := x.Msg.Size + 8
	if n <= room {
		return 1
	}
	if x.Conn.Remote.Addr().Is6() {
		room -= 8
	}
	room -= room % 8
	return (n + room - 1) / room
}

// fellBack says whether the other side does not take TCP: the sender may have
// tried that before.
func fellBack(x *rule.Scene) bool {
	if x.Dir == event.Out {
		return ago(x.Now, mine(x).refused.m[target(x.Conn)])
	}
	return watched(x, x.Local.Port()) && !x.Listeners.At(x.Conn.NetNS, true, x.Local.Port())
}

var fallback = rule.Rule{
	ID:       "TP-09",
	Source:   "RFC 3261 section 18.1.1",
	Severity: rule.Info,
	Fault:    "request sender",
	Asks:     "A request that is too long for UDP and whose TCP connection is refused is sent by UDP after all.",
	Broken:   "A long request was sent by UDP after TCP was refused",
	Silent:   "Only this host's own connects are seen to be refused. The refusal itself may be TP-18.",
	Check:    rule.Check{Only: rule.New | rule.Outgoing | rule.Datagram, Request: sentAfterAll},
}

func sentAfterAll(x *rule.Scene) {
	if x.Msg.Size <= sizeLimit || x.Conn.Transport != event.UDP || x.Verdict != transaction.Fresh || x.Dir != event.Out {
		return
	}
	if fellBack(x) {
		x.Raise(event.Local, "%s of %d bytes to %s", x.Msg.Label(), x.Msg.Size, x.Conn.Remote)
	}
}

var transportToken = rule.Rule{
	ID:       "TP-08",
	Source:   "RFC 3261 sections 18.1.1 and 8.1.1.7",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "The topmost Via names the transport that the request is sent over.",
	Broken:   "The topmost Via of a request names another transport than the one it was sent over",
	Silent:   "PTCP is TCP here, and elsewhere PERS-18. TLS, WS and WSS that came decrypted from this very host, and transports that are not known, are worth an info only.",
	Check:    rule.Check{Request: otherToken},
}

var tokens = [...]sipparse.Transport{event.TCP: sipparse.TransportTCP, event.TLS: sipparse.TransportTLS, event.UDP: sipparse.TransportUDP}

func otherToken(x *rule.Scene) {
	token := x.Msg.Via.Transport
	if token == tokens[x.Conn.Transport] || token == sipparse.TransportPTCP || x.Verdict == transaction.Retransmission {
		return
	}
	s := rule.Violation
	switch token {
	case sipparse.TransportUnknown:
		s = rule.Info
	case sipparse.TransportTLS, sipparse.TransportWS, sipparse.TransportWSS:
		// Somebody in front of the process may have taken the cover off.
		if from := x.Conn.Remote.Addr(); from.IsLoopback() || from == x.Conn.Local.Addr() {
			s = rule.Info
		}
	}
	x.RaiseAs(s, x.Writer(), "Via: %s", x.Msg.Via.Raw)
}
