// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"bytes"
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// The values of reg-id and +sip.instance.

var regIDValue = rule.Rule{
	ID:       "OB-03",
	Source:   "RFC 5626 section 10",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "A reg-id is a decimal number from 1 to 2147483647, without quotes.",
	Broken:   "A reg-id is not a number from 1 to 2^31-1",
	Silent:   passedOn,
	Check: rule.Check{
		Only: rule.New | rule.Register,
		Request: func(x *rule.Scene) {
			r := asks(x)
			if r == nil {
				return
			}
			if i := badRegID(r.Contacts); i >= 0 {
				if side, ok := ua(x, r); ok {
					x.Raise(side, "%s", contact(x.Msg, i))
				}
			}
		},
		Response: func(x *rule.Scene) {
			r := answers(x)
			if r == nil || !ok2xx(x) || badRegID(r.Contacts) >= 0 {
				return
			}
			if i := badRegID(x.Bindings.Listed); i >= 0 {
				if _, ok := registrar(x, r); ok { // whoever bound it, the registrar took it
					x.Raise(event.Unknown, "%s", contact(x.Msg, i))
				}
			}
		},
	},
}

func badRegID(all []registration.Contact) int {
	for i := range all {
		if n := all[i].RegID; n.Present && !registration.ValidRegID(n) && !all[i].Wildcard {
			return i
		}
	}
	return -1
}

var instanceForm = rule.Rule{
	ID:       "OB-04",
	Source:   "RFC 5626 sections 4.1 and 10",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     `+sip.instance is a URN in angle brackets within quotes, "<urn:...>", and names the device for all its life.`,
	Broken:   "+sip.instance is no quoted and bracketed URN, or another one each time",
	Silent:   "A change of the instance, unless three follow each other from one address for one user and none of them is seen again: several devices may share both. " + passedOn,
	Check: rule.Check{Only: rule.New | rule.Register, Request: func(x *rule.Scene) {
		r := asks(x)
		if r == nil {
			return
		}
		for i := range r.Contacts {
			if r.Contacts[i].Odd {
				if v, urn := instance(x, i); urn == nil {
					if side, ok := ua(x, r); ok {
						x.Raise(side, "%s", v)
					}
				}
			}
		}
		if c := r.Outbound(); c != nil && r.Direct {
			changing(x, r, c)
		}
	}},
}

// instance returns the n-th Contact as evidence, and the URN that its
// +sip.instance names; nil if that has another form.
func instance(x *rule.Scene, n int) (line string, urn []byte) {
	var a sipparse.Address
	if !nth(x.Msg, sipparse.HeaderContact, n, &a) {
		return "", nil
	}
	line = "Contact: " + string(a.Raw)
	params := sipparse.Params(a.Params)
	for p := (sipparse.Param{}); params.Next(&p); {
		if !bytes.EqualFold(p.Name, []byte("+sip.instance")) {
			continue
		}
		v, k := p.Value, len(p.Value)
		if p.Quoted && k > 2 && v[0] == '<' && v[k-1] == '>' && k > 6 && bytes.EqualFold(v[1:5], []byte("urn:")) {
			return line, v[1 : k-1]
		}
		break
	}
	return line, nil
}

// history is which instances registered a user from one address, newest last.
type history struct {
	seen   [3]uint64
	n      int
	shared bool // one of them came back: they are several devices
}

// who is a user at an address.
type who struct {
	aor    uint64
	client netip.Addr
}

// changing reports a UA that takes a new instance each time it starts.
func changing(x *rule.Scene, r *registration.Request, c *registration.Contact) {
	s := x.Mine.(*state)
	key := who{r.AOR, client(x.Conn, r.Dir).Addr()}
	h := s.instances.get(key)
	switch {
	case h.shared || h.n > 0 && h.seen[h.n-1] == c.Instance:
		return
	case h.n > 0 && h.seen[0] == c.Instance, h.n > 1 && h.seen[1] == c.Instance:
		h.shared = true
		return
	}
	h.seen[h.n] = c.Instance
	if h.n++; h.n < len(h.seen) {
		return
	}
	h.n-- // the oldest makes room
	copy(h.seen[:], h.seen[1:])
	for _, b := range x.Bindings.Of(r.AOR) {
		if b.Dir == r.Dir && b.Direct && b.Contact.Instance != c.Instance && b.FlowOpen() {
			return // the other device is still there
		}
	}
	side, _ := ua(x, r)
	x.RaiseAs(rule.Advice, side, "third instance of this user from one address, none came back: %s", contact(x.Msg, 0))
}

// schemes are the URN namespaces whose use as an instance an RFC of the IETF
// defines: UUIDs, and the IMEI by RFC 7255.
var schemes = [][]byte{[]byte("gsma:imei:")}

var instanceScheme = rule.Rule{
	ID:       "OB-45",
	Source:   "RFC 5626 section 4.1",
	Severity: rule.Advice,
	Fault:    "registering UA",
	Asks:     "An instance is a UUID URN; another URN scheme only if an RFC defines how it names an instance.",
	Broken:   "The instance is no UUID URN, and of no scheme that is defined for it",
	Silent:   "IMEIs (urn:gsma:imei, RFC 7255). " + passedOn,
	Check: rule.Check{Only: rule.New | rule.Register, Request: func(x *rule.Scene) {
		r := asks(x)
		if r == nil {
			return
		}
		for i := range r.Contacts {
			if !r.Contacts[i].Odd {
				continue
			}
			v, urn := instance(x, i)
			if urn == nil || defined(urn[4:]) {
				continue
			}
			if side, ok := ua(x, r); ok {
				x.Raise(side, "%s", v)
			}
		}
	}},
}

func defined(nss []byte) bool {
	for _, s := range schemes {
		if len(nss) > len(s) && bytes.EqualFold(nss[:len(s)], s) {
			return true
		}
	}
	return false
}
