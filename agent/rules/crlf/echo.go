// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var notOnePong = rule.Rule{
	ID:       "KA-04",
	Source:   "RFC 5626 section 5.4",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A ping is answered by exactly one CRLF, not by two of them and not by another ping.",
	Broken:   "Pings are answered by something else than one CRLF each",
	Silent: "Single cases of an end that has sent no pong before: two ends whose timers run together ping at the same " +
		"moment. It takes pings that follow each other without a pause then, or three that come back at uneven " +
		"intervals. Lost bytes. Single CRLFs too many are advice, as padding between messages looks the same.",
	Check: rule.Check{Beat: answersWrongly},
}

// Signs that a ping is an echo.
const (
	storm    = 3           // pings in a row, each at once after one of the other end, behind the first
	echoes   = 3           // pings that came back, if a timer cannot explain it:
	timerAmt = time.Second // their intervals differ by more than this
	extras   = 2           // CRLFs too many
	padding  = 10 * time.Second
)

func answersWrongly(x *rule.Scene) {
	switch x.Beat.Kind {
	case keepalive.Ping:
		w, _ := talkOf(x)
		if x.Conn.Missing() {
			return // of pongs, perhaps
		}
		switch o := w.read(); {
		case w.chain >= storm:
			x.Raise(x.Writer(), "%d pings in a row, each within %v of the one before, from both sides", w.chain+1, reply)
		case o.echoes >= echoes && o.uneven.Max-o.uneven.Min > timerAmt:
			x.Raise(x.Writer(), "%d pings came back as pings, %v to %v apart", o.echoes,
				o.uneven.Min.Round(time.Millisecond), o.uneven.Max.Round(time.Millisecond))
		}
	case keepalive.Stray:
		tooMany(x)
	}
}

// tooMany counts single CRLFs that follow a pong with no message of that end
// between. A pong that comes too late is none of them.
func tooMany(x *rule.Scene) {
	w, other := known(x)
	if w == nil || w.pong == 0 || x.Now.Sub(w.pong) > padding || x.Conn.LastSIP[index(x.Dir)] >= w.pong || x.Conn.Missing() {
		return
	}
	if x.Conn.Alive.Sent(opposite(x.Dir)).Missed(x.Now) > other.before {
		return
	}
	o := w.write()
	if o.surplus++; o.surplus >= extras {
		x.RaiseAs(rule.Advice, x.Writer(), "%d times another CRLF after the pong", o.surplus)
	}
}

func opposite(d event.Direction) event.Direction { return event.In + event.Out - d }

var loneAnswered = rule.Rule{
	ID:       "KA-14",
	Source:   "RFC 3261 section 7.5, RFC 5626 section 4.4.1",
	Severity: rule.Violation,
	Fault:    "receiver",
	Asks:     "A single CRLF between messages is skipped; only a double one is a ping.",
	Broken:   "A single CRLF is answered as if it were a ping",
	Silent: "Fewer than three in a row, and wherever a SIP message went between: messages padded with CRLFs look the " +
		"same. A ping in two segments is one ping.",
	Check: rule.Check{Beat: answersLone},
}

func answersLone(x *rule.Scene) {
	if x.Beat.Kind != keepalive.Stray {
		return
	}
	const often = 3
	writer, other := talkOf(x)
	w, theirs := writer.write(), other.read()
	w.stray = x.Now
	message := x.Conn.LastMessage()
	if w.answered != 0 && message >= w.answered {
		w.answers = 0
	}
	if theirs.stray == 0 || x.Now.Sub(theirs.stray) > reply || message >= theirs.stray || x.Conn.Missing() {
		return
	}
	w.answered = x.Now
	if w.answers++; w.answers >= often {
		x.Raise(x.Writer(), "%d single CRLFs in a row were answered by CRLF", w.answers)
	}
}
