// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"net/netip"
	"strconv"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var otherTarget = rule.Rule{
	ID:       "AL-06",
	Source:   "RFC 5923 section 8.2",
	Severity: rule.Advice,
	Fault:    "server (acceptor)",
	Asks:     "A request goes back on an aliased connection only if its next hop is what the alias stands for: the client's source address and the port of its sent-by, over TLS.",
	Broken:   "A request for another address goes back on an aliased connection",
	Silent:   "Next hops that are names, requests within a dialog, and connections that have another reason for the way back: a registration, an outbound flow, persistent. The connection's own port is accepted, as a Contact may name it.",
	Check:    rule.Check{Only: rule.New | rule.Backward | rule.Negotiated, Request: backToAnother},
}

var plainTCP = rule.Rule{
	ID:       "AL-08",
	Source:   "RFC 3261 section 18; RFC 5923 sections 3 and 9.3",
	Severity: rule.Advice,
	Fault:    "acceptor",
	Asks:     "A connection without TLS proves nobody's identity, so new requests go on it in one direction only.",
	Broken:   "New requests go both ways on a connection without TLS, and nothing allows it",
	Silent:   "Requests within a dialog, requests whose next hop is written as the very address and port at the other end, as a Contact that was learned from rport is; outbound flows, offers of persistent, connections that were not seen whole, and the profile nat. A host with several domains is judged by AL-29.",
	Check:    rule.Check{Only: rule.New | rule.Backward, Request: bothWays},
}

var virtualTCP = rule.Rule{
	ID:       "AL-29",
	Source:   "RFC 5923 section 9.3",
	Severity: rule.Violation,
	Fault:    "virtual server",
	Asks:     "A server for several domains sends requests back over TLS connections only.",
	Broken:   "A server for several domains sends new requests back on a connection without TLS",
	Silent:   "Unless the configuration says that this host serves several domains. Requests within a dialog, outbound flows, offers of persistent and the profile nat are exempt.",
	Standing: rule.ByPolicy,
	Check:    rule.Check{Only: rule.New | rule.Backward | rule.Outgoing, Request: virtualBack},
}

var hostedDomains = rule.Rule{
	ID:       "AL-28",
	Source:   "RFC 5923 section 9.3",
	Severity: rule.Violation,
	Fault:    "virtual server (as client)",
	Asks:     "A server for several domains opens separate connections for them.",
	Broken:   "One connection carries new requests of two domains that this host serves",
	Silent:   "Unless the configuration says which domains this host serves. Requests within a dialog are not judged, nor senders of other domains, which a proxy relays.",
	Standing: rule.ByPolicy,
	Check:    rule.Check{Only: rule.New | rule.Outgoing | rule.Secured, Request: mixedDomains},
}

// back says whether the request opens a new matter, no dialog's, and comes
// from the side that accepted the connection.
func back(x *rule.Scene) bool {
	return len(x.Msg.ToTag) == 0 && own(x) && x.Msg.Method != sipparse.MethodAck && x.Writer() == x.Conn.Acceptor()
}

// grounded says whether something else than alias lets requests come back.
func grounded(c *fact.Conn) bool {
	return c.Registered.Method == sipparse.MethodRegister || flowAgreed(c)
}

// flowAgreed is grounded without the registration, which is no ground on TCP.
func flowAgreed(c *fact.Conn) bool {
	return c.PersistentBy() != event.Unknown || c.Neg != nil && (c.Neg.Outbound.Agreed || c.Neg.Outbound.Dialog)
}

func backToAnother(x *rule.Scene) {
	if x.Conn.AliasBy() == event.Unknown || !back(x) || grounded(x.Conn) || !x.Conn.Whole() {
		return
	}
	hop, ok := message.NextHop(x.Msg.Head)
	if !ok {
		return
	}
	host := hop.Host
	if len(hop.MAddr) > 0 {
		host = hop.MAddr
	}
	addr, err := netip.ParseAddr(string(host))
	if err != nil {
		return // a name: what it resolved to is not known
	}
	good := goodFor(x.Conn)
	port := hop.HasPort && hop.Port != good.Port() && hop.Port != x.Conn.Address(x.Conn.Initiator).Port()
	plain := len(hop.TransportName) > 0 && hop.Scheme != sipparse.SchemeSIPS && hop.Transport != sipparse.TransportTLS
	if addr.Unmap() == good.Addr() && !port && !plain {
		return
	}
	target := string(host)
	if hop.HasPort {
		target = netip.AddrPortFrom(addr, hop.Port).String()
	}
	x.Raise(x.Writer(), "%s is for %s%s, the alias is for %s over TLS", x.Msg.Label(), target, transport(&hop), good)
}

func transport(hop *sipparse.URIParts) string {
	if len(hop.TransportName) == 0 {
		return ""
	}
	return " over " + string(hop.TransportName)
}

// unagreed says whether the request goes back without TLS and without ground.
func unagreed(x *rule.Scene) bool {
	c := x.Conn
	return c.Transport == event.TCP && back(x) && !x.Profile.NAT && c.Whole() && !flowAgreed(c)
}

// bothWays leaves out what goes to the other end by its own address and port:
// by these RFC 3261 section 18 has an accepted connection found.
func bothWays(x *rule.Scene) {
	if !unagreed(x) || len(x.Profile.Domains) > 1 && x.Writer() == event.Local {
		return
	}
	forth := requestsOf(x.Conn, x.Conn.Initiator)
	if forth.N > 0 && !forth.InDialog && !message.HopIs(x.Msg.Head, x.Conn.Address(x.Reader()), false) {
		x.Raise(x.Writer(), "%s came back after %s", x.Msg.Label(), forth.First)
	}
}

func virtualBack(x *rule.Scene) {
	if len(x.Profile.Domains) > 1 && x.Writer() == event.Local && unagreed(x) {
		x.Raise(event.Local, "%s went back to %s", x.Msg.Label(), x.Conn.Remote)
	}
}

func requestsOf(c *fact.Conn, s event.Side) *class.Requests {
	if s == event.Local {
		return &c.Sent
	}
	return &c.Received
}

func mixedDomains(x *rule.Scene) {
	if len(x.Profile.Domains) < 2 || x.Conn.Transport != event.TLS || x.Dir != event.Out ||
		x.Conn.Initiator != event.Local || len(x.Msg.ToTag) > 0 || !own(x) {
		return
	}
	domain := hosted(x.Profile.Domains, message.FromHost(x.Msg.Head))
	if domain < 0 {
		return
	}
	first := &linkOf(x).domain
	if *first == 0 {
		*first = domain + 1
	} else if *first != domain+1 {
		x.Raise(event.Local, "%s is of %s, the connection is for %s", x.Msg.Label(),
			strconv.Quote(x.Profile.Domains[domain]), strconv.Quote(x.Profile.Domains[*first-1]))
	}
}
