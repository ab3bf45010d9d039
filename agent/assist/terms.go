// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"iter"
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
	First           event.Time    // when the newest part of it was agreed first
	Until           event.Time    // when that ends by itself, 0 if only a message ends it
	Late            event.Time    // when the program, if it is the one who sends, breaks what was agreed; 0 if nothing was
	Basis           Basis
}

// Past is what has been on a flow.
type Past struct {
	Last    event.Time // newest keep-alive, 0 if there was none
	Stopped event.Time // when viaduct stopped sending, 0 if it did not
	Heard   bool       // the peer was heard since
}

// Owed returns what the program of a flow owes at now by what was agreed, since
// a stop if there was one, or what the policy wants for it; ok is false if that
// is nothing. After a stop the policy wants something only if the peer was heard
// since. While a registration is being refreshed nothing is owed (RFC 6223
// section 4.2.2), nor by an early dialog, as its fork may never answer.
func Owed(s *negotiate.State, stream bool, p *policy.Keepalive, past Past, now event.Time) (t Terms, ok bool) {
	if p.Inject == policy.InjectNever || renewing(s, now) {
		return t, false
	}
	least, most := streamLeast, streamMost
	if !stream {
		least, most = udpLeast, udpMost
	}
	if p.Interval > 0 && p.Interval < most {
		least, most = p.Interval*4/5, p.Interval
	}
	agreed(&t, s, least, most, p.Interval, &past, now)
	switch {
	case t.Basis != 0:
	case p.Inject != policy.InjectAlways || past.Stopped != 0 && !past.Heard:
		return t, false
	default:
		t.Basis, t.Least, t.Interval = ByPolicy, least, most
		if p.Interval > 0 {
			t.Least, t.Interval = p.Interval*4/5, p.Interval
		}
	}
	if t.Interval > longest {
		t.Least, t.Interval = longest*4/5, longest
	}
	return t, true
}

// longest is how often at least keep-alives go, however seldom they may.
const longest = 24 * time.Hour

// renewing says whether a REGISTER is under way that may change what is agreed:
// nothing else takes its place meanwhile.
func renewing(s *negotiate.State, now event.Time) bool {
	for a := range s.Live(event.Out, now) {
		if a.Renewing != 0 && now.Sub(a.Renewing) < negotiate.Linger {
			return true
		}
	}
	return false
}

// promise is one thing that was agreed.
type promise struct {
	seconds uint32 // 0: no number was given
	basis   Basis
	since   event.Time // when it was agreed last
	first   event.Time // when it was agreed first
	until   event.Time // 0: a message ends it
}

// agreed fills in what holds by keep, outbound and Flow-Timer. The default's
// bounds are for where nobody gave a number.
func agreed(t *Terms, s *negotiate.State, least, most, atMost time.Duration, past *Past, now event.Time) {
	numbered := false
	for p := range promises(s, past.Stopped, now) {
		numbered = numbered || p.seconds > 0
	}
	for p := range promises(s, past.Stopped, now) {
		l, m := least, most
		switch {
		case p.seconds > 0:
			m = time.Duration(p.seconds) * time.Second
			if atMost > 0 {
				m = min(m, atMost)
			}
			l = m * 4 / 5
		case numbered:
			continue
		}
		t.add(&p, l, m, past.Last)
	}
}

// add takes one more promise, of keep-alives every l to m.
func (t *Terms) add(p *promise, l, m time.Duration, last event.Time) {
	// A program may count from when it was agreed last, but not for ever: a
	// registration may be refreshed more often than keep-alives are due.
	late := min(max(last, p.since).Add(m), max(last, p.first).Add(2*m))
	if t.Basis == 0 {
		t.Least, t.Interval, t.Basis = l, m, p.basis
		t.Since, t.First, t.Until, t.Late = p.since, p.first, p.until, late
		return
	}
	if m < t.Interval {
		t.Least, t.Interval, t.Basis = l, m, p.basis
	}
	t.Since, t.First, t.Late = max(t.Since, p.since), max(t.First, p.first), min(t.Late, late)
	if t.Until != 0 {
		t.Until = max(t.Until, p.until)
	}
	if p.until == 0 {
		t.Until = 0
	}
}

// promises yields what was agreed for this host's program after the given time.
func promises(s *negotiate.State, after, now event.Time) iter.Seq[promise] {
	return func(yield func(promise) bool) {
		for a := range s.Live(event.Out, now) {
			if a.Renewing != 0 || a.Elsewhere || a.Early() || a.Since <= after {
				continue
			}
			p := promise{a.Seconds, ByKeep, a.Began(), a.Began(), a.Until}
			if a.Scope == negotiate.ScopeRegistration {
				p.first = max(a.First, a.Moved, a.Resumed)
			}
			if !yield(p) {
				return
			}
		}
		b := s.Beats(event.Out, now)
		switch {
		case b.At <= after:
		case b.Timer > 0:
			yield(promise{b.Timer, ByFlowTimer, max(b.At, b.Since), b.Since, s.Outbound.Until})
		case b.Required || b.Path:
			yield(promise{0, ByOutbound, max(b.At, b.Since), b.Since, s.Outbound.Until})
		}
	}
}
