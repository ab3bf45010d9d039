// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
)

// uncovered returns the agreement that a keep-alive comes after, if nothing
// else covers it; ok is false if it needs none.
func uncovered(x *rule.Scene) (p negotiate.Past, ok bool) {
	n := x.Conn.Neg
	if n == nil || !isKeepalive(x) || x.Conn.Incomplete {
		return p, false
	}
	if b := n.Beats(x.Dir, x.Now); b.Agreed() || b.Timer != 0 {
		return p, false
	}
	p = n.Past(x.Dir, x.Now)
	return p, p.Why != 0
}

var afterDialog = rule.Rule{
	ID:       "KEEP-22",
	Source:   "RFC 6223 sections 4.2.2, 4.2.3",
	Severity: rule.Info,
	Fault:    "keep-alive sender",
	Asks:     "When the dialog or the registration is over, its keep-alives end with it.",
	Broken:   "STUN keep-alives go on after all that they were agreed for is over",
	Silent: "CRLF, which anybody may send, the first two intervals, and flows that are kept for something else: another " +
		"dialog, a registration, outbound.",
	Check: rule.Check{Beat: goesOn},
}

func goesOn(x *rule.Scene) {
	if x.Beat.Kind != keepalive.StunRequest {
		return
	}
	p, ok := uncovered(x)
	if !ok || p.Why != negotiate.Ended && p.Why != negotiate.Unregistered && p.Why != negotiate.Expired {
		return
	}
	every := udpBound
	if p.Seconds > 0 {
		every = time.Duration(p.Seconds) * time.Second
	}
	if since := x.Now.Sub(p.At); since > 2*every {
		x.Raise(x.Writer(), "Binding request %v after what %s had agreed was over", since.Round(time.Second), p.From)
	}
}

var notRenewed = rule.Rule{
	ID:       "KEEP-23",
	Source:   "RFC 6223 section 4.2.2",
	Severity: rule.Violation,
	Fault:    "keep-alive sender",
	Asks:     "Each refresh of a registration negotiates its keep-alives anew; if that fails they cease.",
	Broken:   "Keep-alives go on for a registration that was refreshed without agreeing on them",
	Silent: "From the refresh to its 2xx: a challenge does not decide. Pings on a stream need no agreement and are only " +
		"noted when they go on. Flows that are kept for something else.",
	Check: rule.Check{Beat: unrenewed},
}

func unrenewed(x *rule.Scene) {
	p, ok := uncovered(x)
	if !ok || p.Why != negotiate.NotRenewed {
		return
	}
	const onTheWay = 2 * time.Second
	e := endOf(x.Conn, x.Dir)
	since := x.Now.Sub(p.At)
	if e == nil || since < onTheWay {
		return
	}
	e.late++
	switch {
	case x.Beat.Kind == keepalive.StunRequest:
		x.Raise(x.Writer(), "Binding request %v after a refresh without agreement", since.Round(time.Second))
	case e.late > 1:
		x.RaiseAs(rule.Info, x.Writer(), "%d keep-alives, the newest %v after a refresh without agreement", e.late, since.Round(time.Second))
	}
}
