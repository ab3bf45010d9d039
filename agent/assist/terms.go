// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Basis is why a flow is owed keep-alives.
type Basis uint8

const (
	ByKeep      Basis = iota + 1 // RFC 6223
	ByFlowTimer                  // RFC 5626
	ByOutbound                   // RFC 5626, which implies keep-alives (section 4.2.1)
	ByPolicy                     // inject: always
)

var bases = [...]string{"", "keep", "Flow-Timer", "outbound", "policy"}

func (b Basis) String() string { return bases[b] }

// Bounds of the interval where nobody gives a number (RFC 5626 sections 4.4.1
// and 4.4.2).
const (
	streamLeast, streamMost = 95 * time.Second, 120 * time.Second
	udpLeast, udpMost       = 24 * time.Second, 29 * time.Second
)

// Terms are what a flow is owed.
type Terms struct {
	Least, Interval time.Duration // bounds of the time from one keep-alive to the next
	Since           event.Time    // when it was last agreed, 0 if it was not
	Until           event.Time    // when that ends by itself, 0 if only a message ends it
	Basis           Basis
}

// Owed returns what the program of a flow owes at now by what was agreed after
// the given time, or what the policy wants for it; ok is false if that is
// nothing. After a stop the policy wants something only if the peer was heard
// since. While a registration is being refreshed nothing is owed (RFC 6223
// section 4.2.2).
func Owed(s *negotiate.State, stream bool, p *policy.Keepalive, after event.Time, heard bool, now event.Time) (t Terms, ok bool) {
	if p.Inject == policy.InjectNever {
		return t, false
	}
	seconds, ok := agreed(&t, s, after, now)
	if !ok {
		if p.Inject != policy.InjectAlways || after != 0 && !heard {
			return t, false
		}
		t.Basis = ByPolicy
	}
	t.Least, t.Interval = streamLeast, streamMost
	if !stream {
		t.Least, t.Interval = udpLeast, udpMost
	}
	if seconds > 0 {
		t.Interval = time.Duration(seconds) * time.Second
		t.Least = t.Interval * 4 / 5
	}
	if p.Interval > 0 && (p.Interval < t.Interval || t.Basis == ByPolicy) {
		t.Interval, t.Least = p.Interval, p.Interval*4/5
	}
	if t.Interval > longest {
		t.Least, t.Interval = longest*4/5, longest
	}
	return t, true
}

// longest is how often at least keep-alives go, however seldom they may.
const longest = 24 * time.Hour

// agreed fills in what holds by keep, outbound and Flow-Timer, and returns the
// shortest interval of them in seconds, 0 if none has one.
func agreed(t *Terms, s *negotiate.State, after, now event.Time) (seconds uint32, ok bool) {
	take := func(n uint32, b Basis, since, until event.Time) {
		switch {
		case !ok:
			t.Until = until
		case until == 0 || t.Until == 0:
			t.Until = 0
		default:
			t.Until = max(t.Until, until)
		}
		if !ok || n > 0 && (seconds == 0 || n < seconds) {
			seconds, t.Basis = n, b
		}
		t.Since, ok = max(t.Since, since), true
	}
	for a := range s.Live(event.Out, now) {
		if a.Renewing == 0 && !a.Elsewhere && a.Since > after {
			take(a.Seconds, ByKeep, a.Since, a.Until)
		}
	}
	if b := s.Beats(event.Out, now); b.At > after && (b.Required || b.Path || b.Timer > 0) {
		basis := ByOutbound
		if b.Timer > 0 {
			basis = ByFlowTimer
		}
		take(b.Timer, basis, b.At, s.Outbound.Until)
	}
	return seconds, ok
}
