// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/rule"
)

var notSpread = rule.Rule{
	ID:       "KEEP-10",
	Source:   "RFC 6223 section 5, RFC 5626 section 4.4",
	Severity: rule.Advice,
	Fault:    "keep-alive sender",
	Asks:     "Who sends at the recommended interval draws each one at random from 80 to 100 % of it.",
	Broken:   "Keep-alives do not follow the recommended interval as they should: without spreading, or on a timer of their own",
	Silent: "Fewer than ten intervals with nothing in between. A faster timer of the sender's own is allowed, and only noted. " +
		"Longer intervals are for KEEP-09.",
	Check: rule.Check{Beat: tooEven},
}

func tooEven(x *rule.Scene) {
	const many = 10
	if x.Conn.Neg == nil || !isKeepalive(x) {
		return
	}
	e := endOf(x.Conn, x.Dir)
	if e == nil || e.pace.N < many || e.paceOf == 0 || x.Conn.Incomplete {
		return
	}
	of := time.Duration(e.paceOf) * time.Second
	switch mean := e.pace.Mean(); {
	case mean < of*79/100: // the example in RFC 5626 rounds
		x.RaiseAs(rule.Info, x.Writer(), "a keep-alive every %v, %v agreed", mean.Round(100*time.Millisecond), of)
	case mean <= of+max(time.Second, of/50) && e.pace.Even(of):
		x.Raise(x.Writer(), "%d intervals of %v to %v, %v agreed", e.pace.N,
			e.pace.Min.Round(10*time.Millisecond), e.pace.Max.Round(10*time.Millisecond), of)
	}
}
