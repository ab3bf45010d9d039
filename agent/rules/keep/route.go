// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"bytes"
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var offerOffRoute = rule.Rule{
	ID:       "KEEP-27",
	Source:   "RFC 6223 section 4.3",
	Severity: rule.Violation,
	Fault:    "request sender, a proxy",
	Asks:     "A proxy offers keep-alives for a dialog only if it puts itself into the route set.",
	Broken:   "A proxy offers keep-alives for a dialog that will pass it by",
	Silent: "Endpoints, which have one Via. A Record-Route that cannot be compared, as one place is a name and the other " +
		"an address; one that names another address is advice, as the proxy may have several.",
	Check: rule.Check{Only: rule.New | rule.Reuse, Request: offersOffRoute},
}

func offersOffRoute(x *rule.Scene) {
	if !offers(x) || x.Msg.Vias < 2 || !formsDialog(x.Msg.Method) || len(x.Msg.ToTag) > 0 || !x.Tx.Offer.KeepBare {
		return
	}
	routes := recordRoutes(x.Msg)
	if len(routes) == 0 {
		x.Raise(x.Writer(), "Via: %s, and no Record-Route", x.Msg.Via.Raw)
		return
	}
	own := []place{placeOf(x.Msg.Via.Host), placeAt(x.Conn.Address(x.Writer()).Addr())}
	if len(x.Msg.Via.Received) > 0 {
		own = append(own, placeOf(x.Msg.Via.Received))
	}
	// A proxy between two networks has one entry for each (RFC 5658).
	if meet(routes[:min(2, len(routes))], own) == apart {
		x.RaiseAs(rule.Advice, x.Writer(), "Via: %s, Record-Route: %s", x.Msg.Via.Raw, routes[0])
	}
}

var acceptOffRoute = rule.Rule{
	ID:       "KEEP-28",
	Source:   "RFC 6223 section 4.4",
	Severity: rule.Violation,
	Fault:    "responder, a proxy",
	Asks:     "Only who is in the route set, or is the endpoint, accepts keep-alives for a dialog.",
	Broken:   "A proxy accepts keep-alives for a dialog that will pass it by",
	Silent: "A peer that may be the endpoint itself: where its response has no Record-Route and its Contact is another " +
		"address it is advice, and nothing where the Contact is a name or a private address behind NAT.",
	Check: rule.Check{Only: rule.Reuse, Response: acceptsOffRoute},
}

func acceptsOffRoute(x *rule.Scene) {
	if !formsDialog(x.Msg.Method) || x.Msg.Status <= 100 || x.Msg.Status >= 300 {
		return
	}
	if _, ok := accepts(x); !ok || x.Tx.Offer.InDialog {
		return
	}
	routes := recordRoutes(x.Msg)
	if x.Dir == event.Out && !x.Conn.Sideless {
		for range x.Tx.Forks { // a proxy on this host
			if len(routes) == 0 {
				x.Raise(event.Local, "Via: %s, and no Record-Route", x.Msg.Via.Raw)
			}
			return
		}
		return
	}
	contact, ok := contactOf(x.Msg)
	responder := x.Conn.Address(x.Writer()).Addr()
	if len(routes) > 0 || !ok || !contact.addr.IsValid() || contact.addr == responder ||
		contact.addr.IsPrivate() && !responder.IsPrivate() || contact.addr.IsLoopback() || contact.addr.IsUnspecified() {
		return
	}
	x.RaiseAs(rule.Advice, x.Writer(), "Via: %s, no Record-Route, Contact at %s", x.Msg.Via.Raw, contact)
}

func formsDialog(m sipparse.Method) bool {
	return m == sipparse.MethodInvite || m == sipparse.MethodSubscribe || m == sipparse.MethodRefer
}

// place is a host as a message names it.
type place struct {
	name string
	addr netip.Addr // valid if the name is an address
}

func (p place) String() string { return p.name }

func placeOf(host []byte) place {
	p := place{name: string(bytes.ToLower(host))}
	if a, err := netip.ParseAddr(p.name); err == nil {
		p.addr = a.Unmap()
	}
	return p
}

func placeAt(a netip.Addr) place { return place{a.String(), a} }

// meeting is whether one of some places is one of others.
type meeting uint8

const (
	unclear meeting = iota // a name may be an address
	same
	apart
)

func meet(some, others []place) meeting {
	found := apart
	for _, a := range some {
		for _, b := range others {
			switch {
			case a.addr.IsValid() && a.addr == b.addr, !a.addr.IsValid() && a.name == b.name:
				return same
			case !a.addr.IsValid():
				found = unclear
			}
		}
	}
	return found
}

// recordRoutes are the places of the Record-Route values, the topmost first.
func recordRoutes(m *message.Message) (all []place) {
	var p sipparse.Parser
	if _, err := p.Start(m.Head); err != nil {
		return nil
	}
	for p.Next() {
		if p.ID() != sipparse.HeaderRecordRoute {
			continue
		}
		var a sipparse.Address
		for list := p.Field().Addresses(); list.Next(&a); {
			all = append(all, placeOf(a.Host))
		}
	}
	return all
}

// contactOf is the place of the only Contact.
func contactOf(m *message.Message) (place, bool) {
	var p sipparse.Parser
	if _, err := p.Start(m.Head); err != nil || m.Contacts != 1 {
		return place{}, false
	}
	for p.Next() {
		var a sipparse.Address
		if p.ID() == sipparse.HeaderContact {
			if list := p.Field().Addresses(); list.Next(&a) {
				return placeOf(a.Host), true
			}
		}
	}
	return place{}, false
}
