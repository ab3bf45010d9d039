// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"net/netip"
	"strings"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/tlswire"
	"github.com/viaduct-project/viaduct/internal/event"
)

var serverIdentity = rule.Rule{
	ID:       "AL-05",
	Source:   "RFC 5923 sections 8.1 and 9.1; RFC 5922 section 7.3",
	Severity: rule.Violation,
	Fault:    "client (originator)",
	Asks:     "The client checks that the server's certificate names the domain it was looking for, and closes the connection at once if not.",
	Broken:   "A client offers alias to a server whose certificate does not name the domain it was looking for",
	Silent:   "Unless TLS 1.2 showed the certificate. The domain is the one in the handshake's server name, or in the request's Route; if either is in the certificate all is well, and without one nothing is known. Names are compared whole: no wildcard matches (RFC 5922 section 7.2). Whether the certificate itself was trusted is the client's knowledge.",
	Check:    rule.Check{Only: rule.New | rule.Reuse | rule.Secured, Request: wrongServer},
}

var forwardIdentity = rule.Rule{
	ID:       "AL-27",
	Source:   "RFC 5923 section 8.1",
	Severity: rule.Advice,
	Fault:    "client (originator)",
	Asks:     "A client uses an aliased connection again only for domains that the server's certificate names.",
	Broken:   "A connection with alias is used for a domain that the server's certificate does not name",
	Silent:   "Unless TLS 1.2 showed the certificate, it names the server that the handshake asked for, and the request has a Route to a domain: where a request without Route goes may be the client's configuration. Requests within a dialog are not judged; a certificate that names neither is AL-05's matter.",
	Check:    rule.Check{Only: rule.New | rule.Negotiated | rule.Secured, Request: otherServer},
}

var serverName = rule.Rule{
	ID:       "AL-34",
	Source:   "RFC 5922 section 7.8",
	Severity: rule.Advice,
	Fault:    "client (originator)",
	Asks:     "A client that can names the domain it wants in the TLS handshake.",
	Broken:   "A client does not name the domain it wants in the TLS handshake",
	Silent:   "Unless the handshake was seen and the first request has a Route to a domain: another next hop may be an address in the client's configuration, and addresses cannot be named. A ClientHello that may hide another one says nothing.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.New | rule.Beginning | rule.Secured, Request: unnamed},
}

var closureAlert = rule.Rule{
	ID:       "AL-32",
	Source:   "RFC 5923 section 8.3",
	Severity: rule.Info,
	Fault:    "closer",
	Asks:     "A TLS session is ended by a closure alert.",
	Broken:   "A connection with alias was closed without a closure alert",
	Silent:   "In TLS 1.2 alerts are encrypted but show what they are: one that stands before the FIN is taken for the closure alert. In TLS 1.3 an alert looks like any record: only this host's end is judged, whose TLS library tells of its alert, and only if its last record had another length than an alert. Silent if records were missed, after a timeout, and if the process was exiting.",
	Check:    rule.Check{Ended: truncated},
}

// toServer says whether x is the first copy of a request by the side that
// opened the connection, outside a dialog.
func toServer(x *rule.Scene) bool {
	return own(x) && x.Writer() == x.Conn.Initiator && len(x.Msg.ToTag) == 0
}

// wanted is the domain that the client named in the handshake, "" if it named
// none that can be relied on. Some name an address, or add a port as jami does,
// against RFC 6066 section 3: that is no domain, and a certificate names addresses
// in another way.
func wanted(s *tlswire.Session) string {
	if _, err := netip.ParseAddr(s.SNI); s.ECH || err == nil || strings.Contains(s.SNI, ":") {
		return ""
	}
	return s.SNI
}

func wrongServer(x *rule.Scene) {
	s := session(x)
	if s == nil || s.ServerNames == nil || s.ECH || !toServer(x) || !x.Msg.Via.Alias {
		return
	}
	sni, route := wanted(s), routeDomain(x)
	if sni == "" && route == "" || sni != "" && s.ServerNames.Cover(sni) || route != "" && s.ServerNames.Cover(route) {
		return
	}
	if sni == "" {
		sni = route
	}
	x.Raise(x.Conn.Initiator, "%s with alias; looking for %s, the server's certificate names %s", x.Msg.Label(), sni, named(s.ServerNames))
}

func otherServer(x *rule.Scene) {
	s := session(x)
	if s == nil || s.ServerNames == nil || !toServer(x) {
		return
	}
	sni := wanted(s)
	if sni == "" || !s.ServerNames.Cover(sni) {
		return
	}
	if route := routeDomain(x); route != "" && !s.ServerNames.Cover(route) {
		x.Raise(x.Conn.Initiator, "%s is for %s, the server's certificate names %s", x.Msg.Label(), route, named(s.ServerNames))
	}
}

// unnamed judges the first request of the connection.
func unnamed(x *rule.Scene) {
	s := handshake(x.Conn)
	if s == nil || s.ECH || !toServer(x) || requestsOf(x.Conn, x.Conn.Initiator).N != 1 {
		return
	}
	route := routeDomain(x)
	switch {
	case route == "" || strings.EqualFold(route, s.SNI):
	case s.SNI == "":
		x.Raise(x.Conn.Initiator, "%s is for %s, the handshake names no server", x.Msg.Label(), route)
	default:
		x.Raise(x.Conn.Initiator, "%s is for %s, the handshake names %s", x.Msg.Label(), route, s.SNI)
	}
}

// truncated judges who ended an aliased connection. Sides of the session are
// numbered by direction.
func truncated(x *rule.Scene) {
	c, s := x.Conn, session(x)
	if s == nil || !c.Dropped() || c.ByAgent {
		return
	}
	closer := 0 // in
	if c.By == event.Local {
		closer = 1
	}
	if shows(s, c.By, closer) && !s.Missed[closer] && !s.Alerted[closer] {
		x.Raise(c.By, "%s without an alert before it; alias offered by %s", end(c.How), c.Neg.Alias.From)
	}
}

// shows says whether an alert of the closer's would have been noticed.
func shows(s *tlswire.Session, by event.Side, closer int) bool {
	switch {
	case s.Version == tlswire.TLS13:
		return by == event.Local && !s.MayAlert[closer]
	case s.Version == 0:
		return false
	}
	return s.Resumed != tlswire.Unknown
}

func end(how event.How) string {
	if how == event.RST {
		return "reset"
	}
	return "FIN"
}
