// SPDX-License-Identifier: Apache-2.0

// Package cadence follows how often the ends of a connection send keep-alives
// while something is agreed about them, for the rules of streams and of UDP.
//
// A gap is judged when the end shows that it is there, by a keep-alive or a SIP
// message after it: from silence alone nobody can tell a client that forgot
// its duty from one that was switched off.
package cadence

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// End is what one end of a connection sends, under the terms that hold.
type End struct {
	Terms negotiate.Beats
	From  event.Time     // the keep-alive before what is looked at, or when the terms began to hold
	Gap   time.Duration  // since From
	Hush  time.Duration  // the longest time within Gap in which the end sent no SIP either
	First bool           // no keep-alive came under these terms before
	Pace  keepalive.Pace // of the gaps without SIP of that end, which may defer a keep-alive

	start  event.Time // when the end was first seen under the terms, or began anew
	last   event.Time // newest keep-alive
	spoken event.Time // newest keep-alive or SIP message
	beat   bool       // the newest was a keep-alive
	judged event.Time // From of the newest gap that was judged
	slept  bool       // one long gap was forgiven
}

type ends [2]End

// Of returns the end that sends what x looks at, or nil if nothing is agreed
// about its keep-alives.
func Of(x *rule.Scene) *End {
	if x.Conn.Neg == nil {
		return nil
	}
	if n := note.Of[ends](x.Conn.Notes, note.Cadence); n != nil {
		if e := &n[x.Dir-event.In]; e.Terms != (negotiate.Beats{}) {
			return e
		}
	}
	return nil
}

// Sender is Of for the end s, of which nothing is looked at.
func Sender(c *fact.Conn, s event.Side) *End {
	n := note.Of[ends](c.Notes, note.Cadence)
	if n == nil || s == event.Unknown {
		return nil
	}
	if s == event.Remote {
		return &n[0]
	}
	return &n[1]
}

// Watch is the bookkeeping; one family has it.
var Watch = rule.Check{Beat: beat, Request: message, Response: message}

func beat(x *rule.Scene) {
	switch x.Beat.Kind {
	case keepalive.Pong, keepalive.Stray, keepalive.StunResponse:
		return
	}
	if x.Beat.Again || x.Conn.Neg == nil {
		return
	}
	e := look(x)
	if e == nil {
		return
	}
	if e.spoken == e.last && !e.First && !e.asleep() {
		e.Pace.Add(e.Gap)
	}
	e.last, e.spoken, e.beat = x.Now, x.Now, true
}

func message(x *rule.Scene) {
	if x.Conn.Neg == nil {
		return
	}
	e := look(x)
	if e == nil {
		return
	}
	if x.Msg.Request && x.Msg.Method == sipparse.MethodRegister && negotiate.CallOf(x.Msg.CallID) != x.Conn.Neg.Outbound.Call {
		e.start, e.Gap, e.Hush = x.Now, 0, 0 // another UA, or one that starts anew
	}
	e.spoken, e.beat = x.Now, false
}

// look brings the terms and the gap up to date; nil if there are no terms.
func look(x *rule.Scene) *End {
	terms := x.Conn.Neg.Beats(x.Dir, x.Now)
	terms.At = 0
	if terms == (negotiate.Beats{}) {
		if n := note.Of[ends](x.Conn.Notes, note.Cadence); n != nil {
			n[x.Dir-event.In] = End{}
		}
		return nil
	}
	e := &note.On[ends](&x.Conn.Notes, note.Cadence)[x.Dir-event.In]
	if terms != e.Terms {
		// What was sent before counts as a keep-alive, not as a pace.
		*e = End{Terms: terms, last: e.last, spoken: max(e.spoken, terms.Since)}
	}
	if e.beat {
		e.Hush = 0
	}
	if e.start == 0 {
		e.start = terms.Since
	}
	if e.start == 0 {
		e.start = x.Now // agreed by keep, whose own rules know since when
	}
	e.First = e.last <= e.start
	e.From = max(e.last, e.start)
	e.Gap = max(0, x.Now.Sub(e.From))
	e.Hush = max(e.Hush, x.Now.Sub(max(e.spoken, e.From)))
	return e
}

// Exceeds says whether the gap is longer than limit, with the tolerance that
// delay on the way needs, and was not judged before. One gap of many times the
// usual is forgiven: the host may have slept.
func (e *End) Exceeds(limit time.Duration) bool {
	if e.Gap <= limit+max(time.Second, limit/50) || e.judged == e.From {
		return false
	}
	e.judged = e.From
	if e.Gap > long*limit && e.Pace.N >= few && e.Pace.Max <= limit && !e.slept {
		e.slept = true
		return false
	}
	return true
}

// A gap of many times the usual, where a few are known, is a host's sleep.
const long, few = 4, 3

func (e *End) asleep() bool { return e.Pace.N >= few && e.Gap > long*e.Pace.Mean() }
