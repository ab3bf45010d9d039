// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// What a registrar with a proxy in one program does with the flows that it
// stored.

const (
	// onTheWay is how long requests may still go where a binding was before.
	onTheWay = 2 * time.Second
	// takesNote is how long a registrar may take to forget a flow that ended.
	takesNote = 5 * time.Second
)

const otherPrograms = "UAs that registered through a proxy, or whose later REGISTER may have been lost to the observer; bindings without Require: outbound, for which RFC 3261 holds; requests by a program of another name, and to addresses that are neither the UA's nor its Contact's."

var deadFlow = rule.Rule{
	ID:       "OB-21",
	Source:   "RFC 5626 section 7",
	Severity: rule.Violation,
	Fault:    "proxy/registrar",
	Asks:     "When a flow ends, all bindings over it end.",
	Broken:   "A binding was used or listed after its flow had ended",
	Silent:   otherPrograms + " UDP flows, whose end cannot be seen. The first 5 s after the end.",
	Check: rule.Check{
		Only: rule.New | rule.Bound,
		Request: func(x *rule.Scene) {
			if b := x.Mine.(*state).stray; b != nil && !b.FlowOpen() && x.Now.Sub(b.Conn.EndedAt) > takesNote {
				x.Raise(event.Local, "%s to %s; the flow from %s ended %s before", x.Msg.Label(), x.Conn.Remote, b.Conn.Remote, x.Now.Sub(b.Conn.EndedAt).Round(time.Second))
			}
		},
		Response: func(x *rule.Scene) {
			r := answers(x)
			if r == nil || len(x.Bindings.Listed) < 2 || !ok2xx(x) || !r.Direct || r.Dir != event.In || x.Tx.Forwarded {
				return
			}
			for i := range x.Bindings.Listed {
				b := x.Bindings.Find(registration.KeyOf(r, &x.Bindings.Listed[i], x.Tx.Conn.NetNS))
				if b != nil && b.Outbound && b.Alive(x.Now) && !b.FlowOpen() && x.Now.Sub(b.Conn.EndedAt) > takesNote && alike(b.Conn, x.Tx.Conn) && !lost(x, b.Refreshed) {
					x.Raise(event.Local, "%s; its flow from %s ended %s before", contact(x.Msg, i), b.Conn.Remote, x.Now.Sub(b.Conn.EndedAt).Round(time.Second))
				}
			}
		},
	},
}

// strays returns one of the bindings that the request x should have gone to
// over its flow, and did not; nil if there is none, or if the flow was right.
func strays(x *rule.Scene, all []*registration.Binding) (found *registration.Binding) {
	for _, b := range all {
		if !b.Outbound || !b.Direct || b.Forwarded || !b.Alive(x.Now) || !alike(b.Conn, x.Conn) || lost(x, b.Refreshed) {
			continue
		}
		if b.Over(x.Conn) {
			return nil
		}
		to := x.Conn.Remote.Addr()
		if to != b.Conn.Remote.Addr() && to != b.Contact.Place.Addr() {
			continue // to somebody else, who may have the flow
		}
		if found == nil || b.FlowOpen() && !found.FlowOpen() {
			found = b
		}
	}
	return found
}

var oldFlow = rule.Rule{
	ID:       "OB-37",
	Source:   "RFC 5626 section 6",
	Severity: rule.Violation,
	Fault:    "registrar",
	Asks:     "A registration with the same instance and reg-id replaces the flow of the binding.",
	Broken:   "A registrar kept the old flow, or a second binding, for one instance and reg-id",
	Silent:   otherPrograms + " Requests that were on their way within 2 s.",
	Check: rule.Check{
		Only: rule.New,
		Request: func(x *rule.Scene) {
			if b := x.Mine.(*state).stray; b != nil && replaced(b, x.Conn, x.Now) {
				x.Raise(event.Local, "%s over the flow from %s; reg-id %d moved to %s %s before", x.Msg.Label(), x.Conn.Remote, b.RegID, b.Conn.Remote, x.Now.Sub(b.Moved).Round(time.Second))
			}
		},
		Response: func(x *rule.Scene) {
			r := answers(x)
			if r == nil || len(x.Bindings.Listed) < 2 || !ok2xx(x) || !requires(x.Msg) {
				return
			}
			if i, ok := twice(x.Bindings.Listed); ok {
				if side, ok := registrar(x, r); ok {
					x.Raise(side, "%s, listed twice", contact(x.Msg, i))
				}
			}
		},
	},
}

// replaced says whether c is the flow that the binding was moved from.
func replaced(b *registration.Binding, c *fact.Conn, now event.Time) bool {
	return b.FlowOpen() && b.Before != nil && registration.Same(b.Before, c) && now.Sub(b.Moved) > onTheWay
}

// twice finds two contacts with one instance and reg-id.
func twice(all []registration.Contact) (second int, ok bool) {
	for i := range all {
		for j := range i {
			if all[i].Outbound() && all[j].Outbound() && all[i].Instance == all[j].Instance && all[i].RegID.N == all[j].RegID.N {
				return i, true
			}
		}
	}
	return 0, false
}

var storedFlow = rule.Rule{
	ID:       "OB-38",
	Source:   "RFC 5626 section 7",
	Severity: rule.Violation,
	Fault:    "proxy co-located with registrar",
	Asks:     "A request to a binding goes over the very flow that the binding was made over.",
	Broken:   "A request to a binding did not use the flow of the binding",
	Silent:   otherPrograms + " Flows that have ended (OB-21) or moved (OB-37).",
	Check: rule.Check{
		Only: rule.New | rule.Outgoing | rule.Bound,
		Request: func(x *rule.Scene) {
			if b := x.Mine.(*state).stray; b != nil && b.FlowOpen() && !(b.Before != nil && registration.Same(b.Before, x.Conn)) {
				x.Raise(event.Local, "%s to %s, registered over the flow from %s", x.Msg.Label(), x.Conn.Remote, b.Conn.Remote)
			}
		},
		Closed: func(x *rule.Scene) {
			if b := dialled(x); b != nil && b.Conn.Stream() && b.FlowOpen() {
				x.Raise(event.Local, "connect to the Contact %s failed, registered over the flow from %s", x.Conn.Remote, b.Conn.Remote)
			}
		},
	},
}

// dialled returns the binding to whose Contact this host could not connect.
func dialled(x *rule.Scene) *registration.Binding {
	if !x.Conn.Failed || x.Conn.Initiator != event.Local || !x.Bindings.Targets() {
		return nil
	}
	for _, b := range x.Bindings.ToPlace(x.Conn.Remote) {
		if b.Outbound && b.Direct && !b.Forwarded && b.Alive(x.Now) && alike(b.Conn, x.Conn) && b.Conn.Owner.Name == x.Conn.Owner.Name && !lost(x, b.Refreshed) {
			return b
		}
	}
	return nil
}

var largeRequest = rule.Rule{
	ID:       "OB-46",
	Source:   "RFC 5626 section 13, RFC 3261 section 18.1.1",
	Severity: rule.Info,
	Fault:    "proxy/UA",
	Asks:     "Requests too large for UDP reach a UA behind a NAT only if it has a TCP or TLS flow too.",
	Broken:   "A proxy turned to TCP for a UA that has only a UDP flow, in vain",
	Silent:   "UAs that registered through a proxy or without outbound. A request that is sent as too large a datagram is TP-07.",
	Check: rule.Check{Closed: func(x *rule.Scene) {
		b := dialled(x)
		if b == nil || b.Conn.Stream() {
			return
		}
		for _, other := range x.Bindings.Of(b.AOR) {
			if sibling(other, b) && other.Alive(x.Now) && other.Conn.Stream() && other.Conn.Open() {
				return
			}
		}
		x.Raise(event.Local, "connect to the Contact %s failed; the UA's only flow is UDP from %s", x.Conn.Remote, b.Conn.Remote)
	}},
}
