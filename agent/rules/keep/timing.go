// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Upper bounds of RFC 5626 sections 4.4.1 and 4.4.2, where no frequency is
// recommended. Whether a device runs on a battery cannot be seen.
const (
	streamBound = 840 * time.Second
	udpBound    = 29 * time.Second
)

// lostCopies is how late a Binding request comes whose first four copies were
// lost: it is sent again after 0.5, 1, 2 and 4 s (RFC 8489 section 6.2.1).
const lostCopies = 7500 * time.Millisecond

// quiet is the silence of a side that owes keep-alives.
type quiet struct {
	a     *negotiate.Agreement
	from  event.Time    // newest keep-alive, or when the first one became due
	last  event.Time    // newest keep-alive on this connection, 0 if there was none
	every time.Duration // longest interval allowed
	slack time.Duration // for the way
}

// quietOf returns the silence that the scene ends, or that lasts, by the
// agreement that it breaks first: the tightest one may have just begun. Early
// ones ask for nothing, as their fork may never answer. ok is false if nothing
// is owed, or it cannot be told.
func quietOf(x *rule.Scene, d event.Direction, e *end) (q quiet, ok bool) {
	c := x.Conn
	if c.Incomplete {
		return q, false
	}
	for a := range c.Neg.Live(d, x.Now) {
		if (a.Renewing == 0 || a.Renewing == x.Now) && !a.Elsewhere && !a.Early() {
			if one := quietBy(x, d, a); q.a == nil || one.due() < q.due() {
				q = one
			}
		}
	}
	if p := c.Neg.Past(d, x.Now); q.a == nil && p.Why == negotiate.Ended && p.At == x.Now && !p.Early() {
		q = quietBy(x, d, p.Agreement) // a BYE has ended it at this moment
	}
	return q, q.a != nil && !gaveUp(c, d, e, &q, x.Now)
}

// quietBy is the silence as one agreement has it.
func quietBy(x *rule.Scene, d event.Direction, a *negotiate.Agreement) quiet {
	c := x.Conn
	q := quiet{a: a, last: a.Kept, every: streamBound}
	if q.last == x.Now {
		q.last = a.Before
	}
	q.from = max(q.last, a.Began(), x.LostAt)
	if !alone(c, d) && !c.Stream() {
		// The response may have been lost on the way to the peer, and repeated
		// for as long as the request was.
		q.from = max(q.from, a.Began().Add(negotiate.Linger))
	}
	switch {
	case a.Seconds > 0:
		q.every = time.Duration(a.Seconds) * time.Second
	case !c.Stream():
		q.every = udpBound
	}
	q.slack = max(time.Second, q.every/50)
	if !alone(c, d) && !c.Stream() {
		q.slack += lostCopies
	}
	return q
}

// due is when the silence is too long.
func (q *quiet) due() event.Time { return q.from.Add(q.every + q.slack) }

// gaveUp says whether the sender had to stop: its keep-alives get no answer.
func gaveUp(c *fact.Conn, d event.Direction, e *end, q *quiet, now event.Time) bool {
	if e.unheard != 0 && e.unheard >= q.a.Began() && now.Sub(e.unheard) >= keepalive.StunWait {
		return true
	}
	if c.Alive == nil || !c.Stream() || q.last == 0 {
		return false
	}
	return c.Alive.Sent(d).Missed(now) >= q.last
}

// judge raises what the silence up to now breaks. One silence is one breach,
// which may become a graver one.
func judge(x *rule.Scene, d event.Direction, e *end) {
	q, ok := quietOf(x, d, e)
	if !ok {
		return
	}
	since := max(q.from, e.spoken)
	e.hush = max(e.hush, x.Now.Sub(since))
	gap := x.Now.Sub(q.from)
	if gap < q.every+q.slack {
		return
	}
	id := q.breaks(x, d, gap)
	if id == "" || e.forgives(&q, gap) {
		return
	}
	s := rule.Violation
	if q.a.Seconds == 0 || e.spoken > q.from && e.hush < q.every+q.slack || !x.Conn.Stream() && !alone(x.Conn, d) {
		s = rule.Advice
	}
	if e.judged == q.from && e.as >= s {
		return
	}
	e.judged, e.as = q.from, s
	q.raise(x.For(id), s, fact.Side(d), gap)
}

// breaks is the rule that the silence breaks, if any.
func (q *quiet) breaks(x *rule.Scene, d event.Direction, gap time.Duration) string {
	a := q.a
	beat := a.Kept == x.Now
	switch {
	case q.last == 0 && a.Moved != 0 && a.Moved >= a.Since:
		if a.Stranded || a.Uses > 1 {
			return leftBehind.ID
		}
	case q.last < a.First:
		return neverSent.ID
	case a.Seconds == 0:
	case beat || a.Scope == negotiate.ScopeRegistration:
		return tooSeldom.ID
	case gap >= 2*q.every+q.slack:
		return stopped.ID
	}
	return ""
}

// forgives says whether the silence may be a host that slept: a single long
// one without a message, of a side that was on time before.
func (e *end) forgives(q *quiet, gap time.Duration) bool {
	const long, often = 4, 3
	if e.slept || gap < long*q.every || e.hush < gap || e.pace.N < often || e.pace.Max > q.every+q.slack {
		return false
	}
	e.slept, e.judged, e.as = true, q.from, rule.Violation
	return true
}

func (q *quiet) raise(x *rule.Scene, s rule.Severity, party event.Side, gap time.Duration) {
	agreed := "no interval"
	if q.a.Seconds > 0 {
		agreed = q.every.String()
	}
	x.RaiseAs(s, party, "no keep-alive for %v, agreed %s by %s", gap.Round(100*time.Millisecond), agreed, q.a.From)
}

// patience is the longest time that a timer is set for: it holds its
// connection for as long.
const patience = 30 * time.Minute

// next is when the silence of a side should be looked at again if it lasts, 0
// if never.
func next(x *rule.Scene, d event.Direction, e *end) (at event.Time) {
	q, ok := quietOf(x, d, e)
	if !ok {
		return 0
	}
	look := func(t event.Time) {
		if t > x.Now && (at == 0 || t < at) {
			at = t
		}
	}
	if alone(x.Conn, d) {
		look(q.due())
		look(q.from.Add(2*q.every + q.slack))
		if e.spoken > q.from {
			look(e.spoken.Add(q.every + q.slack))
		}
	}
	if t := q.fellSilent(x.Conn, d); t != 0 {
		look(t)
	}
	return min(at, x.Now.Add(patience))
}

// fellSilent is when the silence of a side that used to send keep-alives is
// worth a note, 0 if it is not.
func (q *quiet) fellSilent(c *fact.Conn, d event.Direction) event.Time {
	switch {
	case q.last == 0 || q.last < q.a.First:
	case q.a.Seconds == 0:
		return q.from.Add(2 * q.every)
	case !alone(c, d):
		return q.from.Add(4 * q.every)
	}
	return 0
}

func noteSilence(x *rule.Scene, d event.Direction, e *end) {
	q, ok := quietOf(x, d, e)
	if !ok || e.spoken > q.from || e.hushed == q.from {
		return
	}
	if t := q.fellSilent(x.Conn, d); t != 0 && x.Now >= t {
		e.hushed = q.from
		q.raise(x.For(silence.ID), rule.Info, fact.Side(d), x.Now.Sub(q.from))
	}
}
