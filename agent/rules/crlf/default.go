// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules/internal/cadence"
)

// Upper bounds of the intervals where the server gives none.
const (
	battery   = 840 * time.Second // streams, battery powered: RFC 5626 section 4.4.1
	udpUpper  = 29 * time.Second  // section 4.4.2
	slowest   = 900 * time.Second // means beyond these fit neither kind of device
	fastest   = 90 * time.Second
	meanNeeds = 5 // intervals
)

var slowDefault = rule.Rule{
	ID:       "KA-08",
	Source:   "RFC 5626 section 4.4.1",
	Severity: rule.Advice,
	Fault:    "client",
	Asks:     "Without Flow-Timer a stream gets a ping every 95 to 120 s, from a battery-powered device every 672 to 840 s.",
	Broken:   "Pings come more often or more seldom than the defaults",
	Silent: "Means between 90 and 900 s, which a site may configure, fewer than five intervals, and pings that nobody " +
		"agreed on.",
	Scope: rule.PerPeer,
	Check: rule.Check{Beat: offDefault},
}

// free returns the end whose stream pings have no number to follow.
func free(x *rule.Scene) *cadence.End {
	if x.Beat.Kind != keepalive.Ping || x.Conn.Missing() {
		return nil
	}
	e := cadence.Of(x)
	if e == nil || e.Terms.Timer != 0 || !e.Terms.Required && !e.Terms.Keep || e.Terms.Keep && e.Terms.Seconds != 0 {
		return nil
	}
	return e
}

func offDefault(x *rule.Scene) {
	e := free(x)
	if e == nil {
		return
	}
	mean := e.Pace.Mean()
	switch {
	case !e.First && e.Exceeds(battery):
		x.Raise(x.Writer(), "no ping for %v, no Flow-Timer", e.Gap.Round(time.Second))
	case e.Pace.N >= meanNeeds && (mean < fastest || mean > slowest):
		x.Raise(x.Writer(), "a ping every %v, mean of %d intervals, no Flow-Timer", mean.Round(100*time.Millisecond), e.Pace.N)
	}
}

var evenDefault = rule.Rule{
	ID:       "KA-13",
	Source:   "RFC 5626 section 4.4.1",
	Severity: rule.Advice,
	Fault:    "client",
	Asks:     "Without Flow-Timer every interval is drawn at random between an upper bound and four fifths of it.",
	Broken:   "Pings come at one fixed interval, or spread wider than a fifth of the longest",
	Silent: "Flows whose newest 2xx has no Require: outbound or has Flow-Timer, fewer than ten intervals, and intervals " +
		"with SIP messages of the client between.",
	Scope: rule.PerPeer,
	Check: rule.Check{Beat: fixedDefault},
}

func fixedDefault(x *rule.Scene) {
	e := free(x)
	if e == nil || !e.Terms.Required {
		return
	}
	const needs = 10
	p := &e.Pace
	if p.Even(p.Mean()) || p.N >= needs && p.Max-p.Min > p.Max/4 {
		x.Raise(x.Writer(), "%d intervals of %v to %v", p.N, p.Min.Round(100*time.Millisecond), p.Max.Round(100*time.Millisecond))
	}
}

var neverStarts = rule.Rule{
	ID:       "KA-15",
	Source:   "RFC 5626 sections 4.2.1, 4.4",
	Severity: rule.Info,
	Fault:    "client",
	Asks:     "After a 2xx with Require: outbound the UA sends keep-alives on that flow.",
	Broken:   "A UA whose registration made the flow an outbound one sends no keep-alives on it",
	Silent: "Until the client shows itself again after 29 s on UDP or 840 s on a stream; short registrations hide it. " +
		"With Flow-Timer KA-07 judges.",
	Check: rule.Check{Only: rule.Negotiated, Beat: late, Request: late, Response: late},
}

func late(x *rule.Scene) {
	e := cadence.Of(x)
	if e == nil || !e.First || !e.Terms.Required || e.Terms.Timer != 0 || e.Terms.Keep || x.Conn.Missing() {
		return
	}
	limit := battery
	if !x.Conn.Stream() {
		limit = udpUpper
	}
	if e.Exceeds(limit) {
		x.Raise(x.Writer(), "no keep-alive within %v of the 2xx", e.Gap.Round(100*time.Millisecond))
	}
}
