// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var otherWay = rule.Rule{
	ID:       "KEEP-29",
	Source:   "RFC 6223 sections 4.1, 4.2.2",
	Severity: rule.Info,
	Fault:    "nobody",
	Asks:     "Keep-alives are agreed for one direction; those the other way need an agreement of their own.",
	Broken:   "Keep-alives come from the side that only agreed to get them",
	Silent:   "STUN, which STUN-02 judges, and keep-alives before the agreement. CRLF does no harm; servers send it to hold NAT bindings.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Beat: fromAcceptor},
}

func fromAcceptor(x *rule.Scene) {
	n := x.Conn.Neg
	if n == nil || x.Beat.Kind != keepalive.Ping || !x.Conn.Stream() || endOf(x.Conn, x.Dir) == nil {
		return
	}
	if mine := n.Beats(x.Dir, x.Now); mine.Agreed() || n.Past(x.Dir, x.Now) != (negotiate.Past{}) {
		return
	}
	if n.KeepAgreed(opposite(x.Dir), x.Now) {
		x.Raise(x.Writer(), "a ping from %v", x.Conn.Address(fact.Side(x.Dir)))
	}
}

var reversed = rule.Rule{
	ID:       "KEEP-33",
	Source:   "RFC 6223 section 6",
	Severity: rule.Advice,
	Fault:    "who sends requests the other way",
	Asks:     "keep alone does not let the side that accepted a connection send its requests over it.",
	Broken:   "A request goes back over a connection for which only keep was agreed",
	Silent: "Requests for the very port that the connection comes from, connections with alias, persistent, outbound or a " +
		"registration, and the profile nat. Requests outside a dialog are for AL-08 and PERS-22.",
	Check: rule.Check{Only: rule.New | rule.Backward | rule.Negotiated, Request: goesBack},
}

func goesBack(x *rule.Scene) {
	c := x.Conn
	if c.Neg == nil || !c.Stream() || x.Verdict != transaction.Fresh || x.Profile.NAT || len(x.Msg.ToTag) == 0 {
		return
	}
	opener := opposite(x.Dir)
	if c.Initiator == event.Unknown || c.Initiator == x.Writer() || x.Msg.Method == sipparse.MethodCancel ||
		!c.Neg.KeepAgreed(opener, x.Now) && !endsNow(x, opener) {
		return
	}
	if c.Neg.Alias.By == opener || c.Neg.Persistent.By == opener || c.Neg.Outbound.Agreed || c.Neg.Outbound.Dialog ||
		c.Registered.Method != 0 {
		return
	}
	if port, ok := nextPort(x.Msg); ok && port != c.Address(c.Initiator).Port() {
		x.Raise(x.Writer(), "%s for port %d over the connection from %v", x.Msg.Label(), port, c.Address(c.Initiator))
	}
}

// endsNow says whether x is the BYE that ends what was agreed.
func endsNow(x *rule.Scene, d event.Direction) bool {
	p := x.Conn.Neg.Past(d, x.Now)
	return p.Why == negotiate.Ended && p.At == x.Now && x.Msg.Method == sipparse.MethodBye
}

// nextPort is where a request is bound for: its first Route, or its
// Request-URI. ok is false if it names no port.
func nextPort(m *message.Message) (port uint16, ok bool) {
	var p sipparse.Parser
	start, err := p.Start(m.Head)
	if err != nil {
		return 0, false
	}
	for p.Next() {
		var a sipparse.Address
		if p.ID() == sipparse.HeaderRoute {
			if list := p.Field().Addresses(); list.Next(&a) {
				return a.Port, a.HasPort
			}
		}
	}
	var u sipparse.URIParts
	sipparse.ParseURI(start.URI, &u)
	return u.Port, u.HasPort
}
