// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

// end is what the family notes of one side of a connection that owes
// keep-alives.
type end struct {
	timer  event.Time    // when the next timer is due, 0 if none is set
	spoken event.Time    // newest SIP message or keep-alive
	hush   time.Duration // longest time without either since the newest keep-alive
	judged event.Time    // beginning of the silence that was judged last
	as     rule.Severity // what it was judged as
	hushed event.Time    // beginning of the one that KEEP-32 noted
	slept  bool          // a long silence was forgiven

	pace   keepalive.Pace // of the keep-alives with nothing in between
	paceOf uint32         // what was agreed about them

	unheard event.Time // first Binding request since the newest answer, 0 if that is answered
	asked   event.Time // first one that this host has not answered, 0 if there is none
	pong    event.Time // missing pong that was judged
	late    int        // keep-alives since the registration was not renewed
}

type ends [2]end

func index(d event.Direction) int { return int(d - event.In) }

func opposite(d event.Direction) event.Direction { return event.In + event.Out - d }

// endOf returns what is noted of the side that sends in direction d, or nil.
func endOf(c *fact.Conn, d event.Direction) *end {
	if n := note.Of[ends](c.Notes, note.Keep); n != nil {
		return &n[index(d)]
	}
	return nil
}

func watchRequest(x *rule.Scene) {
	if x.Conn.Neg != nil {
		watchMessage(x, x.Verdict == transaction.Retransmission)
	}
}

func watchResponse(x *rule.Scene) {
	if x.Conn.Neg != nil {
		noteReply(x)
		watchMessage(x, false)
	}
}

// watchMessage: a message shows that its sender is there, and may begin or end
// an agreement.
func watchMessage(x *rule.Scene, again bool) {
	n := note.Of[ends](x.Conn.Notes, note.Keep)
	if n == nil {
		if !x.Conn.Neg.Keeping() {
			return
		}
		n = note.On[ends](&x.Conn.Notes, note.Keep)
	}
	e := &n[index(x.Dir)]
	if !again {
		judge(x, x.Dir, e)
	}
	e.spoken = x.Now
	arm(x, event.In, &n[0])
	arm(x, event.Out, &n[1])
}

// isKeepalive says whether x is a keep-alive of its own, and no answer or copy.
func isKeepalive(x *rule.Scene) bool {
	switch x.Beat.Kind {
	case keepalive.Ping, keepalive.Datagram, keepalive.StunRequest, keepalive.StunOther:
		return !x.Beat.Again
	}
	return false
}

func watchBeat(x *rule.Scene) {
	if x.Conn.Neg == nil {
		return
	}
	n := note.Of[ends](x.Conn.Notes, note.Keep)
	if n == nil {
		if x.Conn.Neg.Resumed == 0 || !x.Conn.Neg.Keeping() {
			return // a keep-alive begins no agreement
		}
		n = note.On[ends](&x.Conn.Notes, note.Keep)
	}
	e := &n[index(x.Dir)]
	if x.Beat.Kind == keepalive.StunResponse {
		n[index(opposite(x.Dir))].unheard, n[index(opposite(x.Dir))].asked = 0, 0
	}
	if !isKeepalive(x) {
		return
	}
	judge(x, x.Dir, e)
	if a := x.Conn.Neg.Tightest(x.Dir, x.Now); a != nil {
		e.measure(a)
	}
	e.spoken, e.hush = x.Now, 0
	arm(x, x.Dir, e)
}

// measure takes the interval that a keep-alive of this moment ends, if nothing
// that might have deferred it went in between.
func (e *end) measure(a *negotiate.Agreement) {
	if e.paceOf != a.Seconds {
		e.pace, e.paceOf = keepalive.Pace{}, a.Seconds
	}
	if a.Before >= a.Began() && e.spoken <= a.Before {
		e.pace.Add(a.Kept.Sub(a.Before))
	}
}

// arm sets the timer that looks at the silence of a side, unless an earlier one
// is set, which will set it again.
func arm(x *rule.Scene, d event.Direction, e *end) {
	if at := next(x, d, e); at != 0 && (e.timer == 0 || at < e.timer) {
		e.timer = at
		x.At(at, [2]func(*rule.Scene){dueIn, dueOut}[index(d)])
	}
}

// The timers know their direction, so that none needs a closure.
func dueIn(x *rule.Scene)  { due(x, event.In) }
func dueOut(x *rule.Scene) { due(x, event.Out) }

func due(x *rule.Scene, d event.Direction) {
	e := endOf(x.Conn, d)
	e.timer = 0
	if !x.Conn.Open() {
		return
	}
	if alone(x.Conn, d) {
		judge(x, d, e)
	}
	noteSilence(x, d, e)
	arm(x, d, e)
}

// alone says whether silence of a side says something about it: this host's
// program is there as long as its socket is open. A peer may be switched off
// or unreachable, so it is judged when it shows itself again.
func alone(c *fact.Conn, d event.Direction) bool { return d == event.Out && !c.Sideless }
