// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"encoding/binary"
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var afterFailure = rule.Rule{
	ID:       "KEEP-30",
	Source:   "RFC 6223 section 10, RFC 8489 section 6.2.1",
	Severity: rule.Violation,
	Fault:    "keep-alive sender",
	Asks: "Who gets no answer to a STUN keep-alive sends no more of them for the rest of the dialog, or until the " +
		"registration is negotiated anew.",
	Broken: "STUN keep-alives go on though one has failed",
	Silent: "Until 39.5 s after the first copy of a request, answers of whatever kind since, repeated transaction ids, " +
		"flows of outbound (RFC 5626), lost datagrams.",
	Check: rule.Check{Beat: goesOnUnheard},
}

// goesOnUnheard judges requests of a new id, and keeps the time of the first
// that was not answered.
func goesOnUnheard(x *rule.Scene) {
	if x.Beat.Kind != keepalive.StunRequest || x.Beat.Again || x.Conn.Stream() || x.Conn.Neg == nil {
		return
	}
	e := endOf(x.Conn, x.Dir)
	a := x.Conn.Neg.Tightest(x.Dir, x.Now)
	if e == nil || a == nil {
		return
	}
	if e.unheard < max(a.Began(), x.LostAt) {
		e.unheard = x.Now // none, or one of the time before
		return
	}
	b := x.Conn.Neg.Beats(x.Dir, x.Now)
	if since := x.Now.Sub(e.unheard); since > keepalive.StunWait+time.Second && !b.Required && !b.Path && !x.Conn.Incomplete {
		x.Raise(x.Writer(), "a new Binding request, the first without answer was sent %v ago", since.Round(100*time.Millisecond))
	}
}

var unanswered = rule.Rule{
	ID:       "KEEP-31",
	Source:   "RFC 6223 section 4.4, RFC 5626 sections 5.4, 8",
	Severity: rule.Violation,
	Fault:    "responder",
	Asks:     "Who accepts keep-alives answers them: a double CRLF by one CRLF, a Binding request by its response.",
	Broken:   "Keep-alives that were accepted get no answer",
	Silent: "Ten seconds. A peer may not have got the keep-alive: it is judged when it shows that it is there, by its " +
		"answer to a later request; a request of its own, or on UDP any message, makes it advice. " +
		"Lost bytes, requests that are no valid STUN, and flows of outbound, for which KA-03 and STUN-03 judge.",
	Check: rule.Check{Only: rule.Negotiated | rule.Beating, Beat: await, Request: stillThere, Response: stillThere},
}

// owesAnswers says whether the keep-alives of direction d were accepted by
// keep, and by that alone.
func owesAnswers(x *rule.Scene, d event.Direction, t event.Time) bool {
	b := x.Conn.Neg.Beats(d, t)
	return b.Keep && !b.Required && !b.Path && !x.Conn.Incomplete
}

// await sets a timer for the answer of this host's program.
func await(x *rule.Scene) {
	if x.Conn.Neg == nil || x.Dir != event.In || x.Conn.Sideless {
		return
	}
	e := endOf(x.Conn, x.Dir)
	if e == nil || e.asked != 0 {
		return
	}
	switch {
	case x.Beat.Kind == keepalive.Ping:
	case x.Beat.Kind == keepalive.StunRequest && !x.Beat.Again && !x.Conn.Stream() && wellFormed(x.Beat.Raw):
	default:
		return
	}
	e.asked = x.Now
	x.After(keepalive.PongWait+time.Millisecond, answerDue)
}

// wellFormed says whether a Binding request is as long as it says.
func wellFormed(b []byte) bool {
	return len(b) >= 20 && int(binary.BigEndian.Uint16(b[2:])) == len(b)-20 && len(b)%4 == 0
}

func answerDue(x *rule.Scene) {
	e := endOf(x.Conn, event.In)
	since := e.asked
	if since == 0 || x.Now.Sub(since) < keepalive.PongWait {
		return // answered, and another one has come with a timer of its own
	}
	e.asked = 0
	if !x.Conn.Open() || since < x.LostAt || !owesAnswers(x, event.In, since) {
		return
	}
	if x.Conn.Stream() {
		if x.Conn.Alive.Sent(event.In).Missed(x.Now) < since {
			return
		}
	}
	x.Raise(event.Local, "no answer within %v to a keep-alive, accepted by keep", keepalive.PongWait)
}

// stillThere: a message of the side that should have answered.
func stillThere(x *rule.Scene) {
	if x.Conn.Neg == nil || x.Conn.Alive == nil || x.Dir != event.In && !x.Conn.Sideless {
		return
	}
	d := opposite(x.Dir)
	e := endOf(x.Conn, d)
	if e == nil {
		return
	}
	if !x.Conn.Stream() {
		failed := e.unheard != 0 && x.Now.Sub(e.unheard) > keepalive.StunWait+time.Second
		if failed && e.pong != e.unheard && e.unheard > x.LostAt && owesAnswers(x, d, e.unheard) {
			e.pong = e.unheard
			x.RaiseAs(rule.Advice, x.Writer(), "no answer to a Binding request of %v ago, but %s", x.Now.Sub(e.unheard).Round(time.Second), what(x))
		}
		return
	}
	missed := x.Conn.Alive.Sent(d).Missed(x.Now)
	if missed == 0 || missed == e.pong || !x.Msg.Request && (x.Tx == nil || x.Tx.Conn != x.Conn || x.Tx.Start <= missed) {
		return
	}
	s := rule.Violation
	if x.Msg.Request { // what it says of the other direction is not certain
		s = rule.Advice
	}
	if e.pong = missed; owesAnswers(x, d, missed) {
		x.RaiseAs(s, x.Writer(), "no pong for the ping of %v ago, but %s", x.Now.Sub(missed).Round(time.Second), what(x))
	}
}

func what(x *rule.Scene) string {
	if x.Msg.Request {
		return "a request: " + x.Msg.Label().String()
	}
	return "an answer to " + x.Msg.Label().String()
}
