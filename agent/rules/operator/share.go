// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var sharing = []rule.Rule{{
	ID:       "POL-03",
	Source:   source,
	Severity: rule.Violation,
	Fault:    "acceptor",
	Asks:     "On connections of a row with class unidirectional-ephemeral only who opened them sends new requests.",
	Broken:   "A new request goes back on a connection that the policy wants to be used one way",
	Silent:   "Requests within a dialog, and connections of which it is not known who opened them.",
	Standing: rule.ByPolicy,
	Check:    rule.Check{Only: rule.New | rule.Backward, Request: sentBack},
}}

func sentBack(x *rule.Scene) {
	c := x.Conn
	if c.Row.Class != policy.Unidirectional || !c.Stream() || c.Initiator == event.Unknown || c.Initiator == x.Writer() {
		return
	}
	if x.Verdict != transaction.Fresh || len(x.Msg.ToTag) > 0 || x.Msg.Method == sipparse.MethodCancel {
		return
	}
	x.Raise(x.Writer(), "%s; policy row %s: class unidirectional-ephemeral", x.Msg.Label(), c.Row.Name)
}
