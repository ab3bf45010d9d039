// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// How a UA replaces the registrations of a flow that is gone.

const endsSeen = "UDP flows, whose end cannot be seen; UAs that registered through a proxy."

var keepsRegID = rule.Rule{
	ID:       "OB-18",
	Source:   "RFC 5626 section 4.5",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "The registration that replaces one whose flow failed has the same reg-id.",
	Broken:   "A UA replaced a failed flow under a new reg-id",
	Silent:   "Until the old binding has run out: its reg-id may still come back. A UA that restarted (it closed its only flow itself and has a new Call-ID) is OB-27. " + endsSeen,
	Check: rule.Check{Only: rule.New | rule.Register, Response: func(x *rule.Scene) {
		b, dead, alive := replacement(x)
		if b == nil || restarted(b, dead, alive) || !sameWay(b.Conn, dead.Conn, b.Dir) {
			return
		}
		seen, party := dead.Refreshed, fact.Side(b.Dir)
		x.At(dead.Until, func(y *rule.Scene) {
			if dead.Refreshed == seen && !dead.Ended && b.Alive(y.Now) && !b.Conn.Incomplete && !lost(y, b.Made) {
				y.Raise(party, "reg-id %d, its flow from %s ended; reg-id %d %s later instead", dead.RegID, client(dead.Conn, dead.Dir), b.RegID, b.Made.Sub(dead.Conn.EndedAt).Round(time.Second))
			}
		})
	}},
}

var sameSet = rule.Rule{
	ID:       "OB-27",
	Source:   "RFC 5626 section 4.2.1",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "A UA uses the same reg-ids after each restart, so that they replace the old bindings.",
	Broken:   "A UA takes a new reg-id each time it starts",
	Silent:   "The first change, which a new configuration explains: two restarts in a row must each leave an old binding behind. " + endsSeen,
	Check: rule.Check{Only: rule.New | rule.Register, Response: func(x *rule.Scene) {
		b, dead, alive := replacement(x)
		if b == nil || !restarted(b, dead, alive) {
			return
		}
		for _, older := range x.Bindings.Of(b.AOR) {
			if sibling(older, b) && older != dead && gone(older) && older.Call != dead.Call && dead.Made > older.Conn.EndedAt {
				x.Raise(fact.Side(b.Dir), "reg-id %d after reg-id %d and %d, which are still bound", b.RegID, dead.RegID, older.RegID)
				return
			}
		}
	}},
}

// replacement returns a binding that was just made with a new reg-id, and of
// the same instance's bindings the one whose flow ended last; alive says that
// the instance has another flow that is open.
func replacement(x *rule.Scene) (made, dead *registration.Binding, alive bool) {
	r := answers(x)
	if r == nil || !ok2xx(x) || !r.Direct {
		return nil, nil, false
	}
	for _, b := range x.Bindings.Changed {
		if !b.Gone && b.Outbound && b.Made == x.Now {
			made = b
		}
	}
	if made == nil {
		return nil, nil, false
	}
	for _, b := range x.Bindings.Of(made.AOR) {
		switch {
		case !sibling(b, made) || !b.Outbound || !b.Alive(x.Now) || b.RegID == made.RegID:
		case !gone(b):
			alive = true
		case dead == nil || b.Conn.EndedAt > dead.Conn.EndedAt:
			dead = b
		}
	}
	if dead == nil {
		return nil, nil, false
	}
	return made, dead, alive
}

// gone says whether the binding's flow ended after its last refresh.
func gone(b *registration.Binding) bool {
	return b.Conn.Stream() && b.Conn.EndedAt != 0 && b.Refreshed <= b.Conn.EndedAt
}

// restarted says whether the UA seems to have started anew: it closed its last
// flow itself, and begins with another Call-ID.
func restarted(b, dead *registration.Binding, alive bool) bool {
	return !alive && dead.Conn.By == fact.Side(b.Dir) && b.Call != dead.Call
}

// sameWay says whether two connections lead from one host to one server.
func sameWay(a, b *fact.Conn, d event.Direction) bool {
	return server(a, d) == server(b, d) && client(a, d).Addr() == client(b, d).Addr()
}

var outOfReach = rule.Rule{
	ID:       "OB-43",
	Source:   "RFC 5626 sections 4.4 and 4.5, appendix A",
	Severity: rule.Info,
	Fault:    "registering UA",
	Asks:     "A UA whose flow failed forms a new one and registers again; the first attempt needs no wait.",
	Broken:   "A UA was out of reach for long after its flow had ended",
	Silent:   "Flows that the UA closed itself, UAs that have another Call-ID since (a restart), servers that told to wait, hosts that tried to connect meanwhile, and the first 32 s. " + endsSeen,
	Check: rule.Check{Only: rule.New | rule.Register, Request: func(x *rule.Scene) {
		r := asks(x)
		if r == nil || !r.Direct {
			return
		}
		c := r.Outbound()
		if c == nil {
			return
		}
		h := x.Mine.(*state).tries.find(registration.KeyOf(r, c, x.Conn.NetNS))
		if h == nil || h.broken == 0 {
			return
		}
		since := x.Now.Sub(h.broken)
		if h.brokenCall == r.Call && h.before < h.broken && since > stay && h.until < h.broken && h.dialled < h.broken && !lost(x, h.broken) {
			x.Raise(fact.Side(r.Dir), "the flow ended %s before this REGISTER, reg-id %d", since.Round(time.Second), c.RegID.N)
		}
		h.broken = 0
	}},
}
