// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"net/netip"
	"strings"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/tlswire"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// What handshakes of TLS 1.2 show. In TLS 1.3 certificates are encrypted, and a
// session that is resumed shows none.

var clientCertificate = rule.Rule{
	ID:       "AL-04",
	Source:   "RFC 5923 sections 8.2 and 9.2",
	Severity: rule.Violation,
	Fault:    "server (acceptor)",
	Asks:     "The acceptor uses an alias only if the client has shown a certificate that it could check.",
	Broken:   "A request goes back by an alias of a client that showed no certificate",
	Silent:   "Unless a full handshake of TLS 1.2 shows that a certificate was asked for and not given: TLS 1.3 encrypts that, and a resumed session repeats nothing. What the acceptor made of a certificate is not known. Where none was asked for, AL-30 says so. Silent too where something else lets requests come back: a registration, an outbound flow, persistent, the connection's own address as next hop; and within dialogs.",
	Check:    rule.Check{Only: rule.New | rule.Backward | rule.Negotiated | rule.Secured, Request: withoutCertificate},
}

var certificateRequest = rule.Rule{
	ID:       "AL-30",
	Source:   "RFC 5923 section 9.2",
	Severity: rule.Violation,
	Fault:    "server (acceptor)",
	Asks:     "A server that uses aliases asks for a client certificate in the handshake.",
	Broken:   "A server uses an alias and had asked for no client certificate",
	Silent:   "Unless a full handshake of TLS 1.2 shows it; see AL-04 for that and for what else lets requests come back. Servers that use no alias need not ask.",
	Check:    rule.Check{Only: rule.New | rule.Backward | rule.Negotiated | rule.Secured, Request: withoutAsking},
}

var noCertificate = rule.Rule{
	ID:       "AL-15",
	Source:   "RFC 5923 sections 3 and 9.2",
	Severity: rule.Info,
	Fault:    "request sender",
	Asks:     "alias does nothing for a client without a certificate; a client behind a NAT needs an outbound flow.",
	Broken:   "A client registers with alias but shows no certificate, so that the alias does nothing",
	Silent:   "Unless a full handshake of TLS 1.2 shows that no certificate was given. REGISTER with outbound is what the rule recommends.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.New | rule.Register | rule.Reuse | rule.Secured, Request: registersBare},
}

var otherIdentity = rule.Rule{
	ID:       "AL-07",
	Source:   "RFC 5923 section 8.2",
	Severity: rule.Advice,
	Fault:    "server (acceptor)",
	Asks:     "A request goes back on an aliased connection only if the domain it is for is one that the client's certificate names.",
	Broken:   "A request for another domain than the client's certificate names goes back on an aliased connection",
	Silent:   "Unless TLS 1.2 showed the client's certificate and the request has a Route to a domain: where a request without Route goes may be the sender's configuration, and an address is AL-06's matter. Silent where something else lets requests come back, as in AL-04, and within dialogs.",
	Check:    rule.Check{Only: rule.New | rule.Backward | rule.Negotiated | rule.Secured, Request: backForAnother},
}

// session is what the handshake of x's connection showed, of a connection on
// which the side that opened it offered alias; nil if nothing did.
func session(x *rule.Scene) *tlswire.Session {
	if x.Conn.AliasBy() == event.Unknown || !x.Conn.Whole() {
		return nil
	}
	return x.Conn.TLS
}

// byAlias is session for a request that comes back for no other reason than
// the alias.
func byAlias(x *rule.Scene) *tlswire.Session {
	s := session(x)
	if s == nil || !back(x) || grounded(x.Conn) || message.HopIs(x.Msg.Head, x.Conn.Address(x.Reader()), true) {
		return nil
	}
	return s
}

func withoutCertificate(x *rule.Scene) {
	if s := byAlias(x); s != nil && s.Client == tlswire.ClientNone {
		x.Raise(x.Writer(), "%s came back; alias offered by %s, the client's certificate was asked for and not shown", x.Msg.Label(), x.Conn.Neg.Alias.From)
	}
}

func withoutAsking(x *rule.Scene) {
	if s := byAlias(x); s != nil && s.Client == tlswire.ClientNotAsked {
		x.Raise(x.Writer(), "%s came back; alias offered by %s, no certificate asked for in the handshake", x.Msg.Label(), x.Conn.Neg.Alias.From)
	}
}

func registersBare(x *rule.Scene) {
	s := x.Conn.TLS
	if s == nil || !x.Msg.Via.Alias || x.Tx == nil || x.Tx.Offer.Outbound || x.Msg.Method != sipparse.MethodRegister ||
		!own(x) || x.Writer() != x.Conn.Initiator || !s.Client.NotShown() || !x.Conn.Whole() {
		return
	}
	what := "was asked for none"
	if s.Client == tlswire.ClientNone {
		what = "was asked for one"
	}
	x.Raise(x.Writer(), "Via: %s; the client %s", x.Msg.Via.Raw, what)
}

func backForAnother(x *rule.Scene) {
	s := byAlias(x)
	if s == nil || s.ClientNames == nil {
		return
	}
	if domain := routeDomain(x); domain != "" && !s.ClientNames.Cover(domain) {
		x.Raise(x.Writer(), "%s is for %s, the client's certificate names %s", x.Msg.Label(), domain, named(s.ClientNames))
	}
}

// routeDomain is the host of the request's first Route, "" if it has none or
// it is an address.
func routeDomain(x *rule.Scene) string {
	route, ok := message.Route(x.Msg.Head)
	if !ok || len(route.MAddr) > 0 {
		return ""
	}
	host := string(route.Host)
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ""
	}
	return host
}

func named(n *tlswire.Names) string {
	all := n.All()
	if len(all) == 0 {
		return "nobody"
	}
	return strings.Join(all, ", ")
}

// handshake says whether all that x's connection showed in its handshake was
// seen, from the side that opened it.
func handshake(c *fact.Conn) *tlswire.Session {
	if c.TLS == nil || !c.TLS.Hello || c.TLS.Version == 0 || !c.Whole() {
		return nil
	}
	return c.TLS
}
