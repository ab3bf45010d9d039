// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// What a registrar may and must say to a REGISTER that asks for outbound, or
// that does not.

const answerPassedOn = "Answers that a proxy on this host passes on: they are judged where they came in."

var missingRequire = rule.Rule{
	ID:       "OB-08",
	Source:   "RFC 5626 sections 6 and 11.4",
	Severity: rule.Violation,
	Fault:    "registrar",
	Asks:     "A registrar that binds a contact by RFC 5626 says so by Require: outbound, if the UA supports outbound.",
	Broken:   "A registrar that does outbound took a REGISTER with reg-id and left Require: outbound out",
	Silent:   "Registrars that have not shown that they do outbound (Supported: outbound, Flow-Timer, an earlier Require: outbound or 439): to ignore reg-id is their right, and to echo the parameter proves nothing. " + answerPassedOn,
	Check: rule.Check{Only: rule.New | rule.Register, Response: func(x *rule.Scene) {
		r := answers(x)
		if r == nil || !ok2xx(x) || requires(x.Msg) || !withheld(x, r) {
			return
		}
		if side, ok := registrar(x, r); ok {
			x.Raise(side, "%s; %s", field(x.Msg, sipparse.HeaderRequire, 0), contact(x.Msg, 0))
		}
	}},
}

// withheld says whether a 2xx without Require: outbound comes from a registrar
// that does outbound, to a REGISTER that it should have bound so.
func withheld(x *rule.Scene, r *registration.Request) bool {
	if r.Outbound() == nil || !supports(r) || !reaches(r) || len(x.Bindings.Listed) == 0 {
		return false
	}
	echoed := false
	for i := range x.Bindings.Listed {
		echoed = echoed || x.Bindings.Listed[i].Outbound()
	}
	return echoed && (x.Msg.Supported&message.Outbound != 0 || x.Msg.FlowTimer.Present || known(x, r))
}

// known says whether the registrar has shown before that it does outbound.
func known(x *rule.Scene, r *registration.Request) bool {
	return x.Mine.(*state).registrars.find(server(x.Tx.Conn, r.Dir)) != nil
}

var notFirstHop = rule.Rule{
	ID:       "OB-10",
	Source:   "RFC 5626 section 6, RFC 3327 section 5.2",
	Severity: rule.Violation,
	Fault:    "registrar",
	Asks:     "A REGISTER that came through a proxy which did not mark its Path URI with ob is not bound by RFC 5626: one that asks for it is answered 439.",
	Broken:   "A registrar took a REGISTER with reg-id whose first hop does no outbound, and did not answer 439",
	Silent:   "Registrars that have not shown that they do outbound; REGISTERs in which any Path URI has ob. " + answerPassedOn,
	Check: rule.Check{Only: rule.New | rule.Register, Response: func(x *rule.Scene) {
		r := answers(x)
		if r == nil || !ok2xx(x) || !lacksFirstHop(r) || !requires(x.Msg) && !known(x, r) {
			return
		}
		if side, ok := registrar(x, r); ok {
			x.Raise(side, "%d, %s, to a REGISTER with %d Via and no Path URI with ob", x.Msg.Status, field(x.Msg, sipparse.HeaderRequire, 0), x.Tx.Asked.Vias)
		}
	}},
}

// lacksFirstHop says whether 439 is the answer to r.
func lacksFirstHop(r *registration.Request) bool {
	return !reaches(r) && r.Outbound() != nil && supports(r)
}

var wrongRequire = rule.Rule{
	ID:       "OB-22",
	Source:   "RFC 5626 section 6",
	Severity: rule.Violation,
	Fault:    "registrar",
	Asks:     "A registrar puts outbound into Require only where it bound the contact by its reg-id.",
	Broken:   "Require: outbound in the answer to a REGISTER that could not be bound by RFC 5626",
	Silent:   "REGISTERs without a Contact, which only ask; a first hop without outbound, which OB-10 reports. " + answerPassedOn,
	Check: rule.Check{Only: rule.New | rule.Register, Response: func(x *rule.Scene) {
		r := answers(x)
		if r == nil || !ok2xx(x) || !requires(x.Msg) || len(r.Contacts) == 0 {
			return
		}
		usable := false
		for i := range r.Contacts {
			usable = usable || r.Contacts[i].Outbound()
		}
		if usable && supports(r) && (reaches(r) || lacksFirstHop(r)) {
			return
		}
		if side, ok := registrar(x, r); ok {
			why := "the REGISTER has no contact with both reg-id and +sip.instance"
			switch {
			case usable && !supports(r):
				why = "the REGISTER does not support outbound"
			case usable:
				why = "no Path URI of the REGISTER has ob"
			}
			x.Raise(side, "%s; %s", field(x.Msg, sipparse.HeaderRequire, 0), why)
		}
	}},
}

var wrong439 = rule.Rule{
	ID:       "OB-23",
	Source:   "RFC 5626 section 11.6",
	Severity: rule.Violation,
	Fault:    "proxy/registrar",
	Asks:     "439 answers a REGISTER that has reg-id and supports outbound, nothing else.",
	Broken:   "439 to a request that did not ask for outbound",
	Silent:   "Responses whose request was not seen. " + answerPassedOn,
	Check: rule.Check{Only: rule.New | rule.Failure, Response: func(x *rule.Scene) {
		if x.Msg.Status != 439 || x.Verdict != transaction.Final || x.Tx.Forwarded {
			return
		}
		if r := x.Tx.Binds; r == nil || !r.RegID() || !supports(r) {
			x.Raise(x.Writer(), "439 to %s", x.Msg.Label())
		}
	}},
}

var refusedFlow = rule.Rule{
	ID:       "OB-44",
	Source:   "RFC 5626 sections 4.2.1 and 4.4",
	Severity: rule.Info,
	Fault:    "registering UA",
	Asks:     "A UA whose registration was taken without outbound removes the contact if nobody can reach it.",
	Broken:   "Outbound was asked for and not given, and a contact stays that may not be reached",
	Silent:   "Contacts that can be reached as they stand: no private address, and not the port that the connection came from. A contact that is removed or bound again within 32 s.",
	Scope:    rule.PerPeer,
	Check: rule.Check{Only: rule.New | rule.Register, Response: func(x *rule.Scene) {
		r := answers(x)
		if r == nil || !ok2xx(x) || requires(x.Msg) || !r.Direct || r.Outbound() == nil || !supports(r) || withheld(x, r) {
			return
		}
		for _, b := range x.Bindings.Changed {
			if b.Gone || !b.Offered || !unreachable(b) {
				continue
			}
			side, _ := ua(x, r)
			at, line := b.Refreshed, contact(x.Msg, 0)
			x.After(stay, func(y *rule.Scene) {
				if b.Alive(y.Now) && !b.Outbound && b.Refreshed == at && !b.Conn.Incomplete && !lost(y, at) {
					y.Raise(side, "2xx without Require: outbound; %s", line)
				}
			})
			return
		}
	}},
}

// stay is how long a contact may stand before it counts as kept: 64*T1.
const stay = 32 * time.Second

// unreachable says whether requests to the Contact can come only over the flow
// that the UA opened.
func unreachable(b *registration.Binding) bool {
	place, from := b.Contact.Place, client(b.Conn, b.Dir)
	if !place.IsValid() {
		return false
	}
	opened := b.Conn.Stream() && b.Conn.Initiator != event.Unknown && b.Conn.Initiator == fact.Side(b.Dir)
	return place.Addr().IsPrivate() && place.Addr() != from.Addr() || place == from && opened
}
