// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/sipparse"
)

// The header field Flow-Timer: where it belongs, and what it holds.

var timerPlace = rule.Rule{
	ID:       "OB-15",
	Source:   "RFC 5626 sections 5.4 and 6",
	Severity: rule.Info,
	Fault:    "edge proxy/registrar",
	Asks:     "Flow-Timer is for the 2xx to a REGISTER that has Require: outbound, and is added on the last hop to the UA.",
	Broken:   "Flow-Timer where it means nothing",
	Silent:   "Answers that a proxy on this host passes on.",
	Check: rule.Check{
		Only: rule.Reuse,
		Request: func(x *rule.Scene) {
			if x.Msg.FlowTimer.Present && x.Verdict == transaction.Fresh {
				x.Raise(x.Writer(), "%s in %s", field(x.Msg, sipparse.HeaderFlowTimer, 0), x.Msg.Label())
			}
		},
		Response: func(x *rule.Scene) {
			if !x.Msg.FlowTimer.Present || x.Verdict == transaction.Retransmission || x.Tx != nil && x.Tx.Forwarded {
				return
			}
			why := ""
			switch {
			case x.Msg.Method != sipparse.MethodRegister:
				why = "it answers " + x.Msg.Method.String()
			case !ok2xx(x):
				why = "it is no 2xx"
			case !requires(x.Msg):
				why = "there is no Require: outbound"
			case x.Msg.Vias > 1:
				why = "this is not the last hop to the UA"
			default:
				return
			}
			x.Raise(x.Writer(), "%s in a %d: %s", field(x.Msg, sipparse.HeaderFlowTimer, 0), x.Msg.Status, why)
		},
	},
}

var timerForm = rule.Rule{
	ID:       "OB-16",
	Source:   "RFC 5626 sections 10 and 11.1",
	Severity: rule.Violation,
	Fault:    "writer",
	Asks:     "Flow-Timer is a number of seconds in digits and nothing else.",
	Broken:   "Flow-Timer is no number of seconds",
	Silent:   "Messages that a proxy on this host passes on. Zero fits the grammar but means nothing: info.",
	Check:    rule.Check{Only: rule.Reuse, Request: timerValue, Response: timerValue},
}

func timerValue(x *rule.Scene) {
	if !x.Msg.FlowTimer.Present || x.Verdict == transaction.Retransmission || !x.Msg.Request && x.Tx != nil && x.Tx.Forwarded {
		return
	}
	var p sipparse.Parser
	if _, err := p.Start(x.Msg.Head); err != nil {
		return
	}
	for p.Next() {
		h := p.Field()
		switch {
		case h.ID != sipparse.HeaderFlowTimer:
		case !digits(h.Value):
			x.RaiseFor(1, rule.Violation, x.Writer(), "Flow-Timer: %s", h.Value)
		case !x.Msg.FlowTimer.Valid || x.Msg.FlowTimer.N > 0:
		default:
			x.RaiseFor(2, rule.Info, x.Writer(), "Flow-Timer: %s", h.Value)
		}
	}
}
