// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules/internal/cadence"
	"github.com/viaduct-project/viaduct/internal/event"
)

var tooSeldom = rule.Rule{
	ID:       "KA-07",
	Source:   "RFC 5626 section 4.4",
	Severity: rule.Violation,
	Fault:    "client",
	Asks:     "With Flow-Timer in the 2xx to REGISTER the UA sends a keep-alive at least every so many seconds.",
	Broken:   "The time between two keep-alives was longer than Flow-Timer allows",
	Silent: "Until the client shows itself again: it may be switched off. Gaps in which bytes were lost, one long sleep " +
		"among shorter ones, registrations that ran out, and where keep gives a number (KEEP-09). It is advice where " +
		"SIP messages filled the gap, where the 2xx has no Require: outbound, and for peers on UDP.",
	Check: rule.Check{Only: rule.Negotiated, Beat: gap, Request: gap, Response: gap},
}

// lostCopies is how late a Binding request comes whose first four copies were
// lost: it is sent again after 0.5, 1, 2 and 4 s (RFC 8489 section 6.2.1).
const lostCopies = 7500 * time.Millisecond

func gap(x *rule.Scene) {
	e := cadence.Of(x)
	if e == nil || e.Terms.Timer == 0 || e.Terms.Keep && e.Terms.Seconds > 0 || x.Conn.Missing() {
		return
	}
	limit := time.Duration(e.Terms.Timer) * time.Second
	lossy := x.Dir == event.In && !x.Conn.Stream()
	if lossy {
		limit += lostCopies
	}
	if !e.Exceeds(limit) {
		return
	}
	s := rule.Violation
	if !e.Terms.Required || e.Hush <= limit || lossy {
		s = rule.Advice
	}
	x.RaiseAs(s, x.Writer(), "no keep-alive for %v, Flow-Timer: %d", e.Gap.Round(100*time.Millisecond), e.Terms.Timer)
}

var evenTimer = rule.Rule{
	ID:       "KA-12",
	Source:   "RFC 5626 section 4.4",
	Severity: rule.Advice,
	Fault:    "client",
	Asks:     "A UA that follows Flow-Timer draws each interval at random from 80 to 100 % of it.",
	Broken:   "Keep-alives do not follow Flow-Timer as they should: without spreading, or on a timer of their own",
	Silent: "Fewer than ten intervals with nothing in between. A faster timer of the UA's own is allowed, and only noted. " +
		"Where keep gives a number KEEP-10 judges.",
	Scope: rule.PerPeer,
	Check: rule.Check{Beat: fixedTimer},
}

func fixedTimer(x *rule.Scene) {
	e := cadence.Of(x)
	if e == nil || e.Terms.Timer == 0 || e.Terms.Keep && e.Terms.Seconds > 0 || x.Beat.Again || x.Conn.Missing() {
		return
	}
	limit := time.Duration(e.Terms.Timer) * time.Second
	const many = 10
	switch p := &e.Pace; {
	case p.N < many:
	case p.Mean() < limit*79/100: // the RFC's own example rounds down
		x.RaiseAs(rule.Info, x.Writer(), "a keep-alive every %v, Flow-Timer: %d", p.Mean().Round(100*time.Millisecond), e.Terms.Timer)
	case p.Even(limit):
		x.Raise(x.Writer(), "%d intervals of %v to %v, Flow-Timer: %d", p.N,
			p.Min.Round(10*time.Millisecond), p.Max.Round(10*time.Millisecond), e.Terms.Timer)
	}
}
