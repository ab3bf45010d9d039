// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var listensAtSentBy = rule.Rule{
	ID:       "TP-05",
	Source:   "RFC 3261 section 18.1.1",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "Who sends requests over a stream also listens at its address and the port in its sent-by, for responses that need a new connection.",
	Broken:   "Nothing listens at the sent-by port of a request that went over a stream",
	Silent: "The sent-by is not the address that the request came from (a NAT, a name), the sockets that listen on this host are not known, or the port is not one that is watched for SIP. " +
		"Of a neighbour it is known only if this host tried to connect and was refused. Where an alias was offered it is AL-20; flows of RFC 5626 need no listener.",
	Scope: rule.PerPeer,
	Check: rule.Check{Only: rule.New | rule.Beginning, Request: advertises, Closed: turnedAway},
}

// advertises judges this host's own sent-by, and remembers the neighbour's: both
// once a connection.
func advertises(x *rule.Scene) {
	if !x.Conn.Stream() || x.Conn.Sent.N+x.Conn.Received.N > 1 || x.Verdict != transaction.Fresh || x.Tx.Asked.SentBy != transaction.HostSource {
		return
	}
	at := sentBy(x.Tx)
	if x.Dir == event.In {
		mine(x).told.put(place{x.Conn.NetNS, at}, x.Conn, func(c *fact.Conn) bool { return c.Open() || ago(x.Now, c.EndedAt) })
		return
	}
	if !reused(x.Conn) && watched(x, at.Port()) && !x.Listeners.At(x.Conn.NetNS, true, at.Port()) {
		x.Raise(event.Local, "Via: %s", x.Msg.Via.Raw)
	}
}

// reused says whether requests may come back on c, so that another rule judges
// or no listener is needed: an alias was offered, or a flow of RFC 5626.
func reused(c *fact.Conn) bool {
	return c.Neg != nil && (c.Neg.Alias.By != 0 || c.Neg.Outbound.By != 0)
}

// sentBy is where tx's topmost Via says that its sender can be reached, if it
// names the address that the request came from.
func sentBy(tx *transaction.Transaction) netip.AddrPort {
	port := tx.Asked.Port
	if port == 0 {
		if port = 5060; tx.Conn.Transport == event.TLS {
			port = 5061
		}
	}
	return netip.AddrPortFrom(tx.Source().Addr(), port)
}

// watched says whether a listener at the port would be known: those at the
// standard ports are, and others at which this host has any.
func watched(x *rule.Scene, port uint16) bool {
	if !x.Listeners.Known(x.Conn.NetNS) {
		return false
	}
	return port == 5060 || port == 5061 || x.Listeners.At(x.Conn.NetNS, true, port) || x.Listeners.At(x.Conn.NetNS, false, port)
}

func turnedAway(x *rule.Scene) {
	c := x.Conn
	if !c.Failed || c.How != event.Refused || c.Initiator != event.Local {
		return
	}
	if told := mine(x).told.m[target(c)]; told != nil && !reused(told) && (told.Open() || ago(x.Now, told.EndedAt)) {
		x.Raise(event.Remote, "connect to %s refused, which a request from %s had as its sent-by", c.Remote, told.Remote)
	}
}

var usesOpenConnection = rule.Rule{
	ID:       "TP-06",
	Source:   "RFC 3261 section 18.1.1",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "A request to an address, port and transport that a connection is open to goes over that one.",
	Broken:   "A connection was opened for a request although the same process had one open to the same address and port",
	Silent:   "The other connection belongs to another process or to one that is not known, nothing was answered on it, it is a flow of RFC 5626, its keep-alives are not answered, or it is TLS, where identities may differ. Of a neighbour its processes are not known.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.New | rule.Outgoing | rule.Beginning, Request: needlessConnect},
}

// needlessConnect judges with the first request: a connection without one may
// have another reason.
func needlessConnect(x *rule.Scene) {
	c := x.Conn
	if x.Dir != event.Out || c.Sent.N != 1 || c.Received.N != 0 || c.Transport != event.TCP || c.Initiator != event.Local ||
		x.Verdict != transaction.Fresh || c.Owner.PID == 0 || !c.Established {
		return
	}
	looked := 0
	for other := range x.Outgoing.To(c.Remote) {
		if other != c && usable(other, c) {
			x.Raise(event.Local, "%s opened while %s was open to %s", c.Local, other.Local, c.Remote)
			return
		}
		if looked++; looked == 16 {
			return
		}
	}
}

func usable(other, c *fact.Conn) bool {
	if other.Neg != nil && other.Neg.Outbound.By != 0 || other.Alive != nil && other.Alive.Unanswered(c.First) > 0 {
		return false // a flow of its own, or one that has failed
	}
	return other.Open() && other.Transport == c.Transport && other.NetNS == c.NetNS && other.Owner.PID == c.Owner.PID &&
		other.Messages.ResponsesReceived > 0 && other.First < c.First
}

var listensBoth = rule.Rule{
	ID:       "TP-18",
	Source:   "RFC 3261 section 18.2.1",
	Severity: rule.Advice,
	Fault:    "listener",
	Asks:     "Who receives requests by UDP listens for TCP at the same address and port.",
	Broken:   "SIP is served by UDP at a port where TCP is not listened for",
	Silent:   "The sockets that listen on this host are not known. Of a neighbour it is known only if this host tried to connect to the port and was refused.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.Datagram, Request: servesUDP, Response: servedByUDP, Closed: noTCP},
}

func servesUDP(x *rule.Scene) {
	c := x.Conn
	if c.Transport != event.UDP || x.Dir != event.In || c.Received.N != 1 || c.Sent.N != 0 || x.Verdict != transaction.Fresh || x.Tx.Asked.InDialog {
		return
	}
	if watched(x, x.Local.Port()) && !x.Listeners.At(c.NetNS, true, x.Local.Port()) {
		x.Raise(event.Local, "%s came by UDP to %s, where no TCP socket listens", x.Msg.Label(), x.Local)
	}
}

// servedByUDP notes that the neighbour serves at its end of a UDP flow, with
// the first response on it.
func servedByUDP(x *rule.Scene) {
	c := x.Conn
	if c.Transport != event.UDP || x.Dir != event.In || c.Messages.ResponsesReceived != 1 || x.Tx == nil || x.Tx.Conn != c {
		return
	}
	mine(x).serves.put(target(c), x.Now, since(x.Now))
	if ago(x.Now, mine(x).refused.m[target(c)]) {
		raiseNoTCP(x)
	}
}

func noTCP(x *rule.Scene) {
	if x.Conn.Failed && x.Conn.How == event.Refused && x.Conn.Initiator == event.Local && ago(x.Now, mine(x).serves.m[target(x.Conn)]) {
		raiseNoTCP(x)
	}
}

func raiseNoTCP(x *rule.Scene) {
	x.Raise(event.Remote, "%s answers by UDP and refuses TCP", x.Conn.Remote)
}

// learn remembers the sent-by of a request of this host.
func (m *memory) learn(x *rule.Scene) {
	h := sentByOf(&x.Msg.Via)
	if h == m.last {
		return // the usual
	}
	m.last = h
	m.sentBy.put(h, struct{}{}, func(struct{}) bool { return true })
}

func sentByOf(via *sipparse.Via) uint64 {
	return transaction.TagOf(via.Host) + uint64(via.Port)
}
