// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

const source = "the operator's policy"

var closing = []rule.Rule{{
	ID:       "POL-01",
	Source:   source,
	Severity: rule.Violation,
	Fault:    "closer",
	Asks:     "Connections of a row with class persistent are not closed while both sides run.",
	Broken:   "A connection that the policy wants to be persistent was closed",
	Silent:   "Closes by a process that ends or gives up its listeners, closes by viaduct itself, connections on which no SIP message was seen, and those of unknown making (timeouts).",
	Standing: rule.ByPolicy,
	Check:    rule.Check{Ended: closedEarly},
}}

func closedEarly(x *rule.Scene) {
	c := x.Conn
	if c.Row.Class != policy.Persist || !c.Stream() || c.Exiting || c.ByAgent || c.LastMessage() == 0 {
		return
	}
	if c.By == event.Unknown || c.How != event.FIN && c.How != event.RST {
		return
	}
	how := "FIN"
	if c.How == event.RST {
		how = "RST"
	}
	x.Raise(c.By, "%s after %s, the last %s of them idle; policy row %s: class persistent", how, age(c.EndedAt, c.OpenedAt), seconds(c.Idle), c.Row.Name)
}

func age(now, since event.Time) string {
	if since == 0 {
		return "an unknown time"
	}
	return seconds(now.Sub(since))
}

func seconds(d time.Duration) string { return max(0, d).Round(time.Second).String() }
