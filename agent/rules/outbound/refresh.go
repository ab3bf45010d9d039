// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// How a UA keeps its registrations apart, and on their flows.

// connNote is what the family notes about connections.
type connNote struct {
	left     []left          // bindings that moved away from here
	gateway  *gateway        // instances that registered over it
	deferred event.Time      // when a refresh was put off by the registrar
	status   int             // how
	wait     event.Time      // until when a 503 told to wait
	waiter   event.Direction // of the requests that wait
}

// left is a binding that is refreshed elsewhere now.
type left struct {
	binding *registration.Binding
	at      event.Time
	told    bool
}

// maxLeft is how many bindings of one connection are followed.
const maxLeft = 8

// bindingNote is what it notes about bindings.
type bindingNote struct {
	prior *fact.Conn // flow before Binding.Before
	turns int        // moves back to the flow before, in a row
}

var turns = rule.Rule{
	ID:       "OB-06",
	Source:   "RFC 5626 section 4.2.1",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "Each flow that a UA keeps for a user at the same time has a reg-id of its own.",
	Broken:   "Two flows that are both alive refresh one reg-id in turn",
	Silent:   "A flow that takes the reg-id over for good, as after a failure: both must have refreshed after the other one did.",
	Check: rule.Check{Only: rule.New | rule.Register, Response: func(x *rule.Scene) {
		r := answers(x)
		if r == nil || !ok2xx(x) || !r.Direct {
			return
		}
		for _, b := range x.Bindings.Changed {
			if b.Instance == 0 || b.Before == nil || b.Moved != x.Now || b.Gone {
				continue
			}
			n := note.On[bindingNote](&b.Notes, note.Outbound)
			if n.prior != nil && registration.Same(n.prior, b.Conn) && open(b.Before) {
				n.turns++
			} else {
				n.turns = 0
			}
			n.prior = b.Before
			if n.turns >= 2 {
				side, _ := ua(x, r)
				x.RaiseFor(uint64(b.RegID), rule.Violation, side, "reg-id %d refreshed in turn over %s and %s", b.RegID, client(b.Conn, b.Dir), client(b.Before, b.Dir))
			}
		}
	}},
}

func open(c *fact.Conn) bool { return !c.Stream() || c.Open() }

var sameFlow = rule.Rule{
	ID:       "OB-07",
	Source:   "RFC 5626 section 4.2.2",
	Severity: rule.Info,
	Fault:    "registering UA",
	Asks:     "A refresh or removal repeats the binding's instance and reg-id, and a refresh goes over the binding's flow.",
	Broken:   "A binding was refreshed over another flow though the old one worked, or with another reg-id",
	Silent:   "A flow that gave no sign of life from the UA after the refresh had gone over another one; UDP flows, whose addresses change behind NATs.",
	Check: rule.Check{
		Request: func(x *rule.Scene) {
			stillUsed(x)
			r := asks(x)
			if r == nil || !r.Direct {
				return
			}
			for i := range r.Contacts {
				renamed(x, r, i)
			}
		},
		Response: stillUsed,
		Beat:     stillUsed,
	},
}

// renamed looks for a binding of the same Contact over the same flow that has
// another reg-id than the i-th Contact.
func renamed(x *rule.Scene, r *registration.Request, i int) {
	c := &r.Contacts[i]
	if x.Bindings.Find(registration.KeyOf(r, c, x.Conn.NetNS)) != nil {
		return // it means that binding, which has the same Contact
	}
	for _, b := range x.Bindings.Over(x.Conn) {
		if b.AOR != r.AOR || b.Dir != r.Dir || !b.Outbound || !b.Alive(x.Now) || b.Contact.URI != c.URI || c.Wildcard {
			continue
		}
		if c.Instance != 0 && c.Instance != b.Instance || c.RegID.Present && !registration.ValidRegID(c.RegID) {
			continue
		}
		if !c.RegID.Present || c.RegID.N != b.RegID {
			side, _ := ua(x, r)
			x.Raise(side, "%s, bound with reg-id %d", contact(x.Msg, i), b.RegID)
			return
		}
	}
}

// leaves notes at the old flow of a binding that moved: bookkeeping of the
// family.
func leaves(x *rule.Scene, b *registration.Binding) {
	if b.Gone || !b.Outbound || b.Before == nil || b.Moved != x.Now || !b.Before.Stream() || !b.Before.Open() {
		return
	}
	n := note.On[connNote](&b.Before.Notes, note.Outbound)
	if len(n.left) < maxLeft {
		n.left = append(n.left, left{binding: b, at: x.Now})
	}
}

// stillUsed sees the UA use a flow that it had left.
func stillUsed(x *rule.Scene) {
	if x.Conn.Notes == nil {
		return
	}
	n := note.Of[connNote](x.Conn.Notes, note.Outbound)
	if n == nil || len(n.left) == 0 || x.Msg != nil && x.Msg.Method == sipparse.MethodRegister {
		return
	}
	for i := range n.left {
		l := &n.left[i]
		if l.told || x.Writer() != fact.Side(l.binding.Dir) || x.Now.Sub(l.at) < onTheWay || l.binding.Gone || l.binding.Over(x.Conn) {
			continue
		}
		l.told = true
		x.Raise(x.Writer(), "reg-id %d was refreshed over %s %s before, and this flow is in use", l.binding.RegID, client(l.binding.Conn, l.binding.Dir), x.Now.Sub(l.at).Round(time.Second))
	}
}

var sharedCall = rule.Rule{
	ID:       "OB-28",
	Source:   "RFC 5626 section 4.2.1, examples in sections 9.2 and 9.4",
	Severity: rule.Info,
	Fault:    "registering UA",
	Asks:     "The registrations of an instance over different flows have different Call-IDs.",
	Broken:   "Two reg-ids of one instance are registered with one Call-ID",
	Silent:   "UAs that registered through a proxy.",
	Check: rule.Check{Only: rule.New | rule.Register, Response: func(x *rule.Scene) {
		r := answers(x)
		if r == nil || !ok2xx(x) || !r.Direct {
			return
		}
		for _, b := range x.Bindings.Changed {
			if b.Gone || !b.Outbound {
				continue
			}
			for _, other := range x.Bindings.Of(b.AOR) {
				if sibling(other, b) && other.Direct && other.Outbound && other.RegID != b.RegID && other.Call == b.Call && other.Alive(x.Now) && other.FlowOpen() {
					side, _ := ua(x, r)
					x.Raise(side, "Call-ID: %s, for reg-id %d and %d", x.Msg.CallID, other.RegID, b.RegID)
				}
			}
		}
	}},
}

// gateway are instances that registered over one connection.
type gateway struct {
	instance [3]uint64
	host     [3]netip.Addr
	n        int
}

var thirdParty = rule.Rule{
	ID:       "OB-25",
	Source:   "RFC 5626 section 4.2.3",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "Who registers for another UA leaves reg-id out.",
	Broken:   "One sender registers other UAs' contacts with reg-id",
	Silent:   "One instance over a flow. Who the sender is cannot be seen: a violation only if From and To name different users and the flow carries several instances, advice for three instances with three Contact hosts none of which is the sender's.",
	Check: rule.Check{Only: rule.New | rule.Register, Request: func(x *rule.Scene) {
		r := asks(x)
		if r == nil || !r.Direct {
			return
		}
		c := r.Outbound()
		if c == nil {
			return
		}
		n := note.On[connNote](&x.Conn.Notes, note.Outbound)
		if n.gateway == nil {
			n.gateway = new(gateway)
		}
		g := n.gateway
		fresh := g.add(c)
		side, _ := ua(x, r)
		switch {
		case r.From != r.AOR && g.n > 1:
			x.Raise(side, "%s; %s", field(x.Msg, sipparse.HeaderFrom, 0), field(x.Msg, sipparse.HeaderTo, 0))
		case fresh && g.n == len(g.instance) && g.strangers(client(x.Conn, r.Dir).Addr()):
			x.RaiseAs(rule.Advice, side, "third instance over one connection: %s", contact(x.Msg, 0))
		}
	}},
}

// add returns whether the instance is a new one for which there was room.
func (g *gateway) add(c *registration.Contact) bool {
	for i := range g.n {
		if g.instance[i] == c.Instance {
			return false
		}
	}
	if g.n == len(g.instance) {
		return false
	}
	g.instance[g.n], g.host[g.n] = c.Instance, c.Place.Addr()
	g.n++
	return true
}

// strangers says whether all contacts name different hosts, none the sender.
func (g *gateway) strangers(sender netip.Addr) bool {
	for i, host := range g.host {
		if !host.IsValid() || host == sender {
			return false
		}
		for _, other := range g.host[:i] {
			if other == host {
				return false
			}
		}
	}
	return true
}
