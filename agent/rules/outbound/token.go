// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Requests that come to an edge proxy on this host with the token of a flow.

// visit is the note about a request that names a flow.
type visit struct {
	flow     *fact.Conn
	dead     bool   // it was gone when the request came
	ob       bool   // on the Route URI
	recorded uint64 // topmost Record-Route then
}

const otherEdges = "Proxies elsewhere; tokens that are not in the user part of the Path URI, or were given before the observation began."

var flowFailed = rule.Rule{
	ID:       "OB-12",
	Source:   "RFC 5626 sections 5.3.1 and 11.5",
	Severity: rule.Advice,
	Fault:    "edge proxy",
	Asks:     "An edge proxy answers a request for a flow that is gone with 430, and only such a request.",
	Broken:   "A request for a flow that is gone was not answered 430, or 430 was sent though the flow is there",
	Silent:   otherEdges + " UDP flows, which have no end. 403, as for a token that was tampered with, and challenges.",
	Check: rule.Check{Only: rule.New | rule.Outgoing | rule.Remembered, Response: func(x *rule.Scene) {
		if x.Dir != event.Out || x.Verdict != transaction.Final || x.Tx.Notes == nil {
			return
		}
		n := note.Of[txNote](x.Tx.Notes, note.Outbound)
		if n == nil || n.visit == nil {
			return
		}
		flow := n.visit.flow
		switch x.Msg.Status {
		case 401, 403, 407, 487:
		case 430:
			if flow.Stream() && flow.Open() && flow.Whole() {
				x.Raise(event.Local, "430, the flow from %s is open", flow.Remote)
			}
		default:
			if n.visit.dead {
				x.Raise(event.Local, "%d, the flow from %s ended %s before", x.Msg.Status, flow.Remote, x.Now.Sub(flow.EndedAt).Round(time.Second))
			}
		}
	}},
}

var alongFlow = rule.Rule{
	ID:       "OB-13",
	Source:   "RFC 5626 sections 5.3 and 5.3.1",
	Severity: rule.Info,
	Fault:    "edge proxy",
	Asks:     "A request whose Route names a flow goes out on exactly that flow.",
	Broken:   "An edge proxy sent a request on another flow than its Route names",
	Silent:   otherEdges + " Flows that are gone, which OB-12 is about.",
	Check: rule.Check{Only: rule.New | rule.Outgoing, Request: func(x *rule.Scene) {
		v := visited(x)
		if v == nil || v.dead || registration.Same(v.flow, x.Conn) || v.flow.Stream() && !v.flow.Open() {
			return
		}
		x.Raise(event.Local, "%s to %s, its Route names the flow from %s", x.Msg.Label(), x.Conn.Remote, v.flow.Remote)
	}},
}

var routeBack = rule.Rule{
	ID:       "OB-36",
	Source:   "RFC 5626 section 5.3.1",
	Severity: rule.Info,
	Fault:    "edge proxy",
	Asks:     "An edge proxy that passes a dialog-forming request along a flow because of ob sees to it that later requests reach the flow: usually by a Record-Route with the token and without ob.",
	Broken:   "An edge proxy passed a dialog-forming request along a flow without a Record-Route of its own",
	Silent:   otherEdges + " Other means to the same end are allowed and cannot be told.",
	Check: rule.Check{Only: rule.New | rule.Outgoing, Request: func(x *rule.Scene) {
		v := visited(x)
		if v == nil || !v.ob || !forming(x.Msg) || !registration.Same(v.flow, x.Conn) {
			return
		}
		top, ob := recordRoute(x.Msg)
		if top == v.recorded || ob {
			x.Raise(event.Local, "%s; %s", x.Msg.Label(), field(x.Msg, sipparse.HeaderRecordRoute, 0))
		}
	}},
}

// visited returns the note about the request that x sends on, nil if there is
// none.
func visited(x *rule.Scene) *visit {
	if x.Dir != event.Out || x.Verdict != transaction.Fresh || x.Mine.(*state).tokens.len() == 0 {
		return nil
	}
	up := x.Tx.Upstream()
	if up == nil {
		return nil
	}
	if n := note.Of[txNote](up.Notes, note.Outbound); n != nil {
		return n.visit
	}
	return nil
}

// visits notes a request that names a flow: bookkeeping of the family.
func visits(x *rule.Scene) {
	t, ob := routed(x)
	if t == nil || x.Msg.Method == sipparse.MethodRegister || x.Msg.Method == sipparse.MethodCancel {
		return
	}
	v := &visit{flow: t.flow, ob: ob}
	v.dead = t.flow.Stream() && t.flow.EndedAt != 0 && x.Now.Sub(t.flow.EndedAt) > time.Second
	v.recorded, _ = recordRoute(x.Msg)
	note.On[txNote](&x.Tx.Notes, note.Outbound).visit = v
}

// route is the topmost Route URI: its user, host and port.
func route(m *message.Message) (addr uint64, ob bool) {
	var a sipparse.Address
	if !nth(m, sipparse.HeaderRoute, 0, &a) {
		return 0, false
	}
	return registration.AOROf(&a.URIParts), a.OB
}

// recordRoute is the topmost Record-Route URI, 0 if there is none.
func recordRoute(m *message.Message) (uri uint64, ob bool) {
	var a sipparse.Address
	if !nth(m, sipparse.HeaderRecordRoute, 0, &a) {
		return 0, false
	}
	return registration.URIOf(&a.URIParts), a.OB
}
