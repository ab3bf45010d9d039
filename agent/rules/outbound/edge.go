// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// An edge proxy on this host: what it does with REGISTERs. That it is one
// shows when a REGISTER that came in goes out again with one Via more.

// token is what an edge proxy wrote into its Path URI for a flow.
type token struct {
	flow  *fact.Conn
	path  uint64 // the whole Path
	vague bool   // user, host and port are the same for several flows
}

// passes returns the REGISTER that came in and that x sends on, with the
// connection it came on; nil if x is no such.
func passes(x *rule.Scene, out *registration.Request) (in *registration.Request, from *fact.Conn) {
	if out == nil || x.Dir != event.Out {
		return nil, nil
	}
	up := x.Tx.Upstream()
	if up == nil || up.Binds == nil {
		return nil, nil
	}
	return up.Binds, up.Conn
}

var firstHop = rule.Rule{
	ID:       "OB-09",
	Source:   "RFC 5626 section 5.1",
	Severity: rule.Violation,
	Fault:    "edge proxy",
	Asks:     "The first proxy that a REGISTER with reg-id meets adds a Path URI with ob and a token of the flow; proxies behind it set no ob.",
	Broken:   "A proxy sent a REGISTER with reg-id on without a Path URI of its own with ob, or set ob though it is not the first hop",
	Silent:   "Proxies elsewhere: only one on this host is seen on both of its hops. One that never marks a Path does not do outbound, and gets advice. A token that serves several flows is OB-35.",
	Check: rule.Check{Only: rule.New | rule.Register | rule.Outgoing, Request: func(x *rule.Scene) {
		out := asks(x)
		in, _ := passes(x, out)
		switch {
		case in == nil || !in.RegID():
		case !in.Direct && out.PathTopOB && out.PathTop != in.PathTop:
			x.Raise(event.Local, "%s, added behind %d Vias", path(x), x.Msg.Vias-1)
		case in.Direct && in.Path == 0 && !out.PathOB:
			s := rule.Advice
			if x.Mine.(*state).tokens.len() > 0 {
				s = rule.Violation
			}
			x.RaiseAs(s, event.Local, "%s; %s", contact(x.Msg, 0), path(x))
		}
	}},
}

var ownToken = rule.Rule{
	ID:       "OB-35",
	Source:   "RFC 5626 sections 5.1 and 5.2",
	Severity: rule.Violation,
	Fault:    "edge proxy",
	Asks:     "The token in the Path URI of an edge proxy stands for one flow and for no other.",
	Broken:   "An edge proxy gave two flows the same Path URI",
	Silent:   "Proxies elsewhere. Several registrations over one flow share its token rightly; a UDP flow is the same as long as its addresses are.",
	Check: rule.Check{Only: rule.New | rule.Register | rule.Outgoing, Request: func(x *rule.Scene) {
		out := asks(x)
		in, from := passes(x, out)
		if in == nil || !in.Direct || !out.PathTopOB || out.PathTop == in.PathTop {
			return
		}
		known := x.Mine.(*state).tokens.get(out.PathAddr)
		switch {
		case known.flow == nil || registration.Same(known.flow, from):
		case known.path == out.Path && (known.flow.Remote != from.Remote || known.flow.Local != from.Local):
			x.Raise(event.Local, "%s for the flow from %s, as for that from %s", path(x), from.Remote, known.flow.Remote)
		default:
			known.vague = known.vague || known.path != out.Path
		}
		known.flow, known.path = from, out.Path
	}},
}

// path is the Path of a REGISTER as evidence.
func path(x *rule.Scene) string { return field(x.Msg, sipparse.HeaderPath, 0) }

// routed returns the token that the request's topmost Route names, nil if it
// names none that is known.
func routed(x *rule.Scene) (t *token, ob bool) {
	s := x.Mine.(*state)
	if s.tokens.len() == 0 || x.Dir != event.In || x.Verdict != transaction.Fresh {
		return nil, false
	}
	addr, ob := route(x.Msg)
	if t = s.tokens.find(addr); t == nil || t.vague || registration.Same(t.flow, x.Conn) {
		return nil, false // from the flow itself: on its way out
	}
	return t, ob
}
