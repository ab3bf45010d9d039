// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
)

// formsFlows is how long a UA may take to form its flows.
const formsFlows = time.Minute

var twoFlows = rule.Rule{
	ID:       "OB-17",
	Source:   "RFC 5626 section 4.2.1",
	Severity: rule.Violation,
	Fault:    "registering UA",
	Asks:     "A UA that was given two or more outbound proxies registers through at least two of them.",
	Broken:   "A UA has fewer flows than it should",
	Silent:   "How many proxies a UA was given cannot be seen: silent unless a policy says how many flows an instance must have through this host. UAs that registered through a proxy.",
	Standing: rule.ByPolicy,
	Check: rule.Check{Only: rule.New | rule.Register, Response: func(x *rule.Scene) {
		if x.Profile.Flows == 0 {
			return
		}
		r := answers(x)
		if r == nil || !ok2xx(x) || !r.Direct {
			return
		}
		for _, b := range x.Bindings.Changed {
			if b.Gone || !b.Outbound || b.Made != x.Now {
				continue
			}
			side, _ := ua(x, r)
			x.After(formsFlows, func(y *rule.Scene) {
				n := flowsOf(y, b)
				if n > 0 && n < y.Profile.Flows && !b.Conn.Incomplete && !lost(y, b.Made) {
					y.Raise(side, "%d of %d flows %s after reg-id %d was bound", n, y.Profile.Flows, formsFlows, b.RegID)
				}
			})
		}
	}},
}

// flowsOf counts the open flows of b's instance, and returns 0 if another
// binding of it is older: that one's turn comes, or came.
func flowsOf(x *rule.Scene, b *registration.Binding) (n int) {
	for _, other := range x.Bindings.Of(b.AOR) {
		if other != b && !sibling(other, b) || !other.Outbound || !other.Direct || !other.Alive(x.Now) {
			continue
		}
		if other.Made < b.Made {
			return 0
		}
		if other.FlowOpen() {
			n++
		}
	}
	return n
}
