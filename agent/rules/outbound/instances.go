// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

// How a proxy treats an instance that has several flows: one at a time, the
// next one only if a flow failed.

const otherProxies = "Proxies elsewhere; bindings whose REGISTER was not seen, or that cannot be told apart by Contact, flow or Path."

var oneAtATime = rule.Rule{
	ID:       "OB-20",
	Source:   "RFC 5626 section 7",
	Severity: rule.Violation,
	Fault:    "authoritative proxy",
	Asks:     "A proxy sends a request to one flow of an instance at a time.",
	Broken:   "A proxy sent one request to two flows of an instance at once",
	Silent:   otherProxies + " An instance that is registered under two addresses-of-record may get both. Advice if the bindings were not made by RFC 5626.",
	Check: rule.Check{Only: rule.New | rule.Outgoing | rule.Bound, Request: func(x *rule.Scene) {
		mates(x, func(mine, other *leg) {
			if other.over {
				return
			}
			s := rule.Advice
			if mine.to.Outbound && other.to.Outbound {
				s = rule.Violation
			}
			x.RaiseAs(s, event.Local, "%s to reg-id %d while reg-id %d has not answered", x.Msg.Label(), mine.to.RegID, other.to.RegID)
		})
	}},
}

var settled = rule.Rule{
	ID:       "OB-40",
	Source:   "RFC 5626 section 7",
	Severity: rule.Violation,
	Fault:    "authoritative proxy",
	Asks:     "A final response other than 408 and 430 is the instance's answer: its other flows are not tried.",
	Broken:   "A proxy tried another flow of an instance that had answered",
	Silent:   otherProxies + " Requests that the proxy cancelled, that were redirected or that nobody answered. A request that is tried again with credentials is another one.",
	Check: rule.Check{Only: rule.New | rule.Outgoing | rule.Bound, Request: func(x *rule.Scene) {
		mates(x, func(mine, other *leg) {
			switch {
			case other.status < 200 || !mine.to.Outbound:
			case other.status/100 == 3, other.status == 408, other.status == 430, other.status == 487:
			default:
				x.Raise(event.Local, "%s to reg-id %d after %d from reg-id %d", x.Msg.Label(), mine.to.RegID, other.status, other.to.RegID)
			}
		})
	}},
}

var nextFlow = rule.Rule{
	ID:       "OB-39",
	Source:   "RFC 5626 sections 7 and 11.5",
	Severity: rule.Advice,
	Fault:    "authoritative proxy",
	Asks:     "After 430 a proxy tries another flow of the same instance, if there is one.",
	Broken:   "A proxy gave up after 430 though the instance has another flow",
	Silent:   otherProxies + " Requests that were cancelled.",
	Check: rule.Check{Only: rule.New | rule.Outgoing | rule.Failure | rule.Remembered, Response: func(x *rule.Scene) {
		if x.Dir != event.Out || x.Verdict != transaction.Final || x.Msg.Status < 300 || x.Msg.Status == 487 || x.Tx.Notes == nil || x.Conn.Incomplete || lost(x, x.Tx.Start) {
			return
		}
		n := note.Of[txNote](x.Tx.Notes, note.Outbound)
		if n == nil || n.errand == nil {
			return
		}
		for _, l := range n.errand.legs {
			if l.status == 430 && l.to.Outbound {
				untried(x, l)
			}
		}
	}},
}

// untried looks for a flow of the instance that the proxy did not turn to.
func untried(x *rule.Scene, failed *leg) {
	for _, b := range x.Bindings.Of(failed.to.AOR) {
		if !sibling(b, failed.to) || !b.Outbound || !b.Alive(x.Now) || b.Direct && !b.FlowOpen() || b.Conn.Incomplete {
			continue
		}
		tried := false
		for _, l := range failed.legs {
			tried = tried || l.to == b
		}
		if !tried {
			x.Raise(event.Local, "%d after 430 from reg-id %d; reg-id %d is bound and was not tried", x.Msg.Status, failed.to.RegID, b.RegID)
			return
		}
	}
}

var failedEnd = rule.Rule{
	ID:       "OB-41",
	Source:   "RFC 5626 section 11.5",
	Severity: rule.Info,
	Fault:    "authoritative proxy",
	Asks:     "430 is for the authoritative proxy; an endpoint does not see it.",
	Broken:   "An endpoint got 430",
	Silent:   "Answers with more than one Via, which go to a proxy.",
	Check: rule.Check{Only: rule.New | rule.Failure, Response: func(x *rule.Scene) {
		if x.Msg.Status == 430 && x.Msg.Vias == 1 && x.Verdict == transaction.Final {
			x.Raise(x.Writer(), "430 to %s, with one Via", x.Msg.Label())
		}
	}},
}
