// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules/internal/cadence"
	"github.com/viaduct-project/viaduct/internal/event"
)

var schedule = rule.Rule{
	ID:       "STUN-06",
	Source:   "RFC 8489 section 6.2.1, RFC 5626 section 4.4.2",
	Severity: rule.Advice,
	Fault:    "client",
	Asks:     "A Binding request without an answer is sent seven times, each interval twice the one before.",
	Broken:   "An unanswered Binding request is not sent again as STUN asks",
	Silent: "Copies that come in further apart or fewer than they should: some may be lost on the way. Intervals within a " +
		"quarter of the double, seven or eight copies, and ids that serve for one keep-alive after the other.",
	Scope: rule.PerPeer,
	Check: rule.Check{Beat: copies},
}

const (
	leastRTO = 100 * time.Millisecond
	mostRTO  = 5 * time.Second
	fewest   = 7
	most     = 8
	onceOnly = 10 * time.Second // a request sent once is not sent again after this
)

func copies(x *rule.Scene) {
	n := seen(x, keepalive.StunRequest)
	if n == nil || x.Conn.Incomplete {
		return
	}
	t := n.at
	switch {
	case t.sends == 1:
		gaveUp(x, n.ends[index(x.Dir)].newest(t))
	case t.reused || t.sends == 2 && t.gap > mostRTO:
		t.reused = true // no schedule can be told
	case t.sends == 2 && t.gap < leastRTO:
		x.Raise(x.Writer(), "sent again after %v", t.gap.Round(time.Millisecond))
	case t.sends == most+1:
		x.Raise(x.Writer(), "%d copies of one request", t.sends)
	case t.sends > 2 && (t.gap < t.before*3/2 || x.Dir == event.Out && t.gap > t.before*5/2):
		x.Raise(x.Writer(), "sent again after %v, then after %v", t.before.Round(time.Millisecond), t.gap.Round(time.Millisecond))
	}
}

// gaveUp judges the transaction before a new one, of this host's: of a peer's
// some copies may be lost.
func gaveUp(x *rule.Scene, t *tx) {
	if t == nil || x.Dir != event.Out || t.answers > 0 || t.reused || t.sends >= fewest {
		return
	}
	wait := max(t.gap*5/2, onceOnly)
	if quiet := x.Now.Sub(t.last); quiet > wait {
		x.Raise(x.Writer(), "sent %d times, then not for %v", t.sends, quiet.Round(100*time.Millisecond))
	}
}

var newID = rule.Rule{
	ID:       "STUN-07",
	Source:   "RFC 8489 section 5",
	Severity: rule.Violation,
	Fault:    "client",
	Asks:     "A new transaction has a new id, unless it is the former request bit for bit between the same addresses.",
	Broken:   "A transaction id is used for another request",
	Silent: "The same bytes again between the same addresses. Requests of peers from another address: a NAT may have " +
		"changed it. Flows that carry no SIP.",
	Check: rule.Check{Beat: idAgain},
}

func idAgain(x *rule.Scene) {
	n := seen(x, keepalive.StunRequest)
	if n == nil {
		return
	}
	switch other := n.other; {
	case n.diff:
		x.Raise(x.Writer(), "id %x, other bytes", n.msg.ID)
	case other != nil && x.Dir == event.Out && (other.Local != x.Conn.Local || other.Remote.Addr() != x.Conn.Remote.Addr()):
		x.Raise(x.Writer(), "id %x from %v to %v, and before from %v to %v", n.msg.ID, x.Conn.Local, x.Conn.Remote, other.Local, other.Remote)
	}
}

var pace = rule.Rule{
	ID:       "STUN-08",
	Source:   "RFC 5626 section 4.4.2",
	Severity: rule.Advice,
	Fault:    "client",
	Asks:     "Without Flow-Timer the time between keep-alives on UDP is random, between 24 and 29 s.",
	Broken:   "Keep-alives on UDP come at another pace than 24 to 29 s, or at one fixed interval",
	Silent:   "Fewer than ten intervals, means between 15 and 30 s, flows without an agreement or with a number in it.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Beat: offPace},
}

func offPace(x *rule.Scene) {
	if x.Beat.Kind != keepalive.StunRequest || x.Beat.Again || x.Conn.Stream() || x.Conn.Incomplete {
		return
	}
	e := cadence.Of(x)
	if e == nil || e.Terms.Timer != 0 || e.Terms.Seconds != 0 || !e.Terms.Agreed() {
		return
	}
	const needs, fastest, slowest = 10, 15 * time.Second, 30 * time.Second
	mean := e.Pace.Mean()
	if e.Pace.N >= needs && (mean < fastest || mean > slowest || e.Pace.Even(mean)) {
		x.Raise(x.Writer(), "%d intervals of %v to %v", e.Pace.N, e.Pace.Min.Round(100*time.Millisecond), e.Pace.Max.Round(100*time.Millisecond))
	}
}

var tooMany = rule.Rule{
	ID:       "STUN-13",
	Source:   "RFC 8489 section 6.2",
	Severity: rule.Advice,
	Fault:    "client",
	Asks:     "A client has at most ten transactions open with one server.",
	Broken:   "More than ten Binding transactions are open on a flow",
	Silent:   "Transactions on other flows, which may be another client's, and flows that carry no SIP.",
	Check:    rule.Check{Beat: crowd},
}

func crowd(x *rule.Scene) {
	const limit = 10
	n := seen(x, keepalive.StunRequest)
	if n == nil || len(n.ends[index(x.Dir)].txs) <= limit || x.Conn.Incomplete {
		return
	}
	open := 0
	for i := range n.ends[index(x.Dir)].txs {
		if t := &n.ends[index(x.Dir)].txs[i]; t.answers == 0 && x.Now.Sub(t.first) < life {
			open++
		}
	}
	if open > limit {
		x.Raise(x.Writer(), "%d open transactions", open)
	}
}
