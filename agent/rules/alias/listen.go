// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var noListener = rule.Rule{
	ID:       "AL-20",
	Source:   "RFC 5923 section 8.1",
	Severity: rule.Violation,
	Fault:    "client (originator)",
	Asks:     "Offering alias does not replace listening: the client goes on taking connections at the port of its sent-by, 5061 if it has none.",
	Broken:   "alias is offered, and nothing listens at the address that the Via names",
	Silent:   "For this host: if its listening sockets are not known, if the port is not one that is watched for SIP, or if the sent-by is another address than the connection's. For the peer: unless a connection to the sent-by was refused; what is not answered may be a firewall. The profile nat makes it info for a sent-by that names the port of the connection itself.",
	Check:    rule.Check{Only: rule.New | rule.Outgoing | rule.Secured | rule.Negotiated, Request: nobodyListens, Closed: refused},
}

// ad is where a peer that offered alias says that it listens.
type ad struct {
	conn *fact.Conn
	from message.Label
}

// advertise notes what the peer says; a sent-by that is a name, or another
// address than it sends from, may be behind a NAT and proves nothing.
func (m *mind) advertise(x *rule.Scene) {
	if x.Dir != event.In || x.Conn.AliasBy() != event.Remote || x.Conn.Neg.Alias.At != x.Now || !ownAddress(x, x.Conn.Remote.Addr()) {
		return
	}
	room(m, m.advertised)
	m.advertised[goodFor(x.Conn)] = ad{x.Conn, x.Msg.Label()}
}

func (m *mind) withdraw(c *fact.Conn) {
	if at := goodFor(c); m.advertised[at].conn == c {
		delete(m.advertised, at)
	}
}

func ownAddress(x *rule.Scene, own netip.Addr) bool {
	a, err := netip.ParseAddr(string(x.Msg.Via.Host))
	return err == nil && a.Unmap() == own
}

// nobodyListens judges this host, at the first offer of a connection.
func nobodyListens(x *rule.Scene) {
	c := x.Conn
	if c.Transport != event.TLS || x.Dir != event.Out || c.AliasBy() != event.Local || c.Neg.Alias.At != x.Now || !own(x) {
		return
	}
	port := c.AliasPort()
	if !watchedPort(x, port) || x.Listeners.At(c.NetNS, true, port) || !ownAddress(x, c.Local.Addr()) {
		return
	}
	s := rule.Violation
	if x.Profile.NAT && port == c.Local.Port() {
		s = rule.Info
	}
	x.RaiseAs(s, event.Local, "Via: %s; nothing listens at port %d", x.Msg.Via.Raw, port)
}

// watchedPort says whether a listener at the port would be known: those at the
// standard ports are, and others if this host serves UDP there.
func watchedPort(x *rule.Scene, port uint16) bool {
	return x.Listeners.Known(x.Conn.NetNS) &&
		(port == 5060 || port == 5061 || x.Listeners.At(x.Conn.NetNS, false, port))
}

// refused judges the peer: it reset what it had asked for.
func refused(x *rule.Scene) {
	m := x.Mine.(*mind)
	if !x.Conn.Failed || x.Conn.How != event.Refused || len(m.advertised) == 0 {
		return
	}
	if offer, known := m.advertised[x.Conn.Remote]; known && offer.conn.Open() {
		x.Raise(event.Remote, "connection to %s refused, alias offered by %s", x.Conn.Remote, offer.from)
	}
}
