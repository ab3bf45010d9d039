// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules/internal/cadence"
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
		"SIP messages filled the gap, or the 2xx has no Require: outbound.",
	Check: rule.Check{Beat: gap, Request: gap, Response: gap},
}

func gap(x *rule.Scene) {
	e := cadence.Of(x)
	if e == nil || e.Terms.Timer == 0 || e.Terms.Keep && e.Terms.Seconds > 0 || x.Conn.Missing() {
		return
	}
	limit := time.Duration(e.Terms.Timer) * time.Second
	if !e.Exceeds(limit) {
		return
	}
	s := rule.Violation
	if !e.Terms.Required || e.Hush <= limit {
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
	Broken:   "Keep-alives follow Flow-Timer at one fixed interval",
	Silent: "Fewer than ten intervals, and a UA with a faster timer of its own, which is free to have one. Where keep " +
		"gives a number KEEP-10 judges.",
	Scope: rule.PerPeer,
	Check: rule.Check{Beat: fixedTimer},
}

func fixedTimer(x *rule.Scene) {
	e := cadence.Of(x)
	if e == nil || e.Terms.Timer == 0 || e.Terms.Keep && e.Terms.Seconds > 0 || x.Beat.Again || x.Conn.Missing() {
		return
	}
	limit := time.Duration(e.Terms.Timer) * time.Second
	if e.Pace.Even(limit) && e.Pace.Mean() >= limit*79/100 { // the RFC's own example rounds down
		x.Raise(x.Writer(), "%d intervals of %v, %v apart at most, Flow-Timer: %d", e.Pace.N,
			e.Pace.Mean().Round(100*time.Millisecond), (e.Pace.Max - e.Pace.Min).Round(time.Millisecond), e.Terms.Timer)
	}
}
