// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"bytes"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/sipparse"
)

// What a REGISTER has to say to be bound by RFC 5626, and what must not stand
// together in one.

const passedOn = "REGISTERs that this host only passes on: they are judged where they came in. If they came through other hops it is unknown who wrote them."

var regIDAlone = rule.Rule{
	ID:       "OB-01",
	Source:   "RFC 5626 sections 4.2.1 and 6",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "A Contact with reg-id has a +sip.instance too; the registrar ignores the reg-id of one that has not.",
	Broken:   "A Contact has reg-id but no +sip.instance",
	Silent:   passedOn,
	Check: rule.Check{Only: rule.New | rule.Register, Request: func(x *rule.Scene) {
		r := asks(x)
		if r == nil {
			return
		}
		for i := range r.Contacts {
			if c := &r.Contacts[i]; c.RegID.Present && c.Instance == 0 && !c.Wildcard {
				if side, ok := ua(x, r); ok {
					x.Raise(side, "%s", contact(x.Msg, i))
				}
			}
		}
	}},
}

var lacksSupport = rule.Rule{
	ID:       "OB-02",
	Source:   "RFC 5626 section 4.2.1",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "A REGISTER that asks for outbound lists both outbound and path in Supported.",
	Broken:   "A REGISTER has reg-id, but not both outbound and path in Supported",
	Silent:   passedOn,
	Check: rule.Check{Only: rule.New | rule.Register, Request: func(x *rule.Scene) {
		r := asks(x)
		const both = message.Outbound | message.Path
		if r == nil || r.Supported&both == both {
			return
		}
		for i := range r.Contacts {
			if c := &r.Contacts[i]; c.RegID.Present && !c.Wildcard {
				if side, ok := ua(x, r); ok {
					x.Raise(side, "%s; %s", field(x.Msg, sipparse.HeaderSupported, 0), contact(x.Msg, i))
				}
				return
			}
		}
	}},
}

var manyContacts = rule.Rule{
	ID:       "OB-05",
	Source:   "RFC 5626 section 6",
	Severity: rule.Advice,
	Fault:    "registrar (accepts); registering UA (sends)",
	Asks:     "A REGISTER with reg-id binds one contact; one that binds several is refused with 400.",
	Broken:   "A REGISTER with reg-id binds several contacts at once",
	Silent:   "Contacts that the same REGISTER removes. " + passedOn,
	Check: rule.Check{
		Only: rule.New | rule.Register,
		Request: func(x *rule.Scene) {
			if r := asks(x); r != nil && len(r.Contacts) > 1 && bindsSeveral(x) {
				if side, ok := ua(x, r); ok {
					x.Raise(side, "%s; %s", contact(x.Msg, 0), contact(x.Msg, 1))
				}
			}
		},
		Response: func(x *rule.Scene) {
			if r := answers(x); r != nil && len(r.Contacts) > 1 && ok2xx(x) && bindsSeveral(x) {
				if side, ok := registrar(x, r); ok {
					x.Raise(side, "%d to a REGISTER that binds several contacts, with reg-id", x.Msg.Status)
				}
			}
		},
	},
}

func bindsSeveral(x *rule.Scene) bool {
	r, n, flows := x.Tx.Binds, 0, false
	for i := range r.Contacts {
		if c := &r.Contacts[i]; !c.Wildcard && !r.Removes(c) {
			n++
			flows = flows || c.RegID.Present
		}
	}
	return n > 1 && flows
}

var wildcard = rule.Rule{
	ID:       "OB-24",
	Source:   "RFC 5626 section 4.2.3",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "Contact: *, which removes all bindings, has neither reg-id nor +sip.instance.",
	Broken:   "Contact: * has reg-id or +sip.instance",
	Silent:   passedOn,
	Check: rule.Check{Only: rule.New | rule.Register, Request: func(x *rule.Scene) {
		r := asks(x)
		if r == nil || len(r.Contacts) == 0 || !r.Contacts[0].Wildcard {
			return
		}
		if c := &r.Contacts[0]; c.RegID.Present || c.Instance != 0 {
			if side, ok := ua(x, r); ok {
				x.Raise(side, "%s", contact(x.Msg, 0))
			}
		}
	}},
}

var noInstance = rule.Rule{
	ID:       "OB-26",
	Source:   "RFC 5626 sections 4.1 and 4.2.1",
	Severity: rule.Advice,
	Fault:    "registering UA",
	Asks:     "A UA that supports outbound puts +sip.instance into the Contact of its REGISTERs.",
	Broken:   "A REGISTER that supports outbound has no +sip.instance in its Contact",
	Silent:   "Third-party REGISTERs (To and From differ), UAs that hide who they are (Privacy, or an anonymous From), and REGISTERs that come through other hops.",
	Scope:    rule.PerPeer,
	Check: rule.Check{Only: rule.New | rule.Register, Request: func(x *rule.Scene) {
		r := asks(x)
		if r == nil || !supports(r) || !r.Direct || r.From != r.AOR {
			return
		}
		for i := range r.Contacts {
			if r.Contacts[i].Instance != 0 || r.Contacts[i].RegID.Present {
				return
			}
		}
		for i := range r.Contacts {
			if c := &r.Contacts[i]; !c.Wildcard && !r.Removes(c) && !private(x.Msg) {
				side, _ := ua(x, r)
				x.Raise(side, "%s; %s", field(x.Msg, sipparse.HeaderSupported, 0), contact(x.Msg, i))
				return
			}
		}
	}},
}

// private says whether the sender hides who it is (RFC 3323, RFC 3261 section
// 8.1.1.3).
func private(m *message.Message) bool {
	var p sipparse.Parser
	if _, err := p.Start(m.Head); err != nil {
		return false
	}
	for p.Next() {
		switch h := p.Field(); {
		case h.ID == sipparse.HeaderOther && bytes.EqualFold(h.Name, []byte("Privacy")):
			return true
		case h.ID == sipparse.HeaderFrom:
			var a sipparse.Address
			h.Address(&a)
			if bytes.EqualFold(a.User, []byte("anonymous")) || bytes.HasSuffix(a.Host, []byte(".invalid")) {
				return true
			}
		}
	}
	return false
}
