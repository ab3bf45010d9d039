// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"math/rand/v2"
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Begin sets the terms, at now or when they are other ones.
func (f *Flow) Begin(t Terms, now event.Time, r *rand.Rand) {
	if f.Terms.Interval == 0 || f.State == Stopped || f.paused != 0 && now.Sub(f.paused) > renewal {
		f.from, f.until, f.back, f.State = now, 0, 0, Fine
		f.draw = 0
	}
	if t.Basis != f.Terms.Basis && now.Sub(max(f.Last, f.from)) < 2*t.Interval {
		f.from = now // a promise has ended, and another one is the shortest now: nobody is late yet
	}
	f.paused = 0
	other := f.draw == 0 || f.Terms.Interval != t.Interval || f.Terms.Least != t.Least
	f.Terms = t
	if other {
		f.redraw(r)
	}
	if f.resumed && f.First == 0 {
		f.draw = time.Duration(r.Int64N(int64(t.Interval/3) + 1))
	}
}

// Pause notes that nothing is owed at now, until Begin.
func (f *Flow) Pause(now event.Time) {
	f.meant = 0
	if f.paused == 0 {
		f.paused = now
	}
}

// redraw chooses the next interval between the bounds (RFC 5626 section 4.4).
func (f *Flow) redraw(r *rand.Rand) {
	span := f.Terms.Interval - f.slack() - f.Terms.Least
	f.draw = f.Terms.Least
	if span > 0 {
		f.draw += time.Duration(r.Int64N(int64(span) + 1))
	}
}

// slack is for the way from the decision to the wire.
func (f *Flow) slack() time.Duration { return min(200*time.Millisecond, f.Terms.Interval/50) }

// Sent takes over what the program sent before viaduct had to do with the flow.
func (f *Flow) Sent(s *keepalive.Side) {
	if s.Last == 0 {
		return
	}
	f.App, f.First, f.Last, f.app = s.Pings+s.Stun, s.First, s.Last, s.Last
	f.Longest = s.Longest
}

// Probes draws how long a connection may idle before the kernel probes it, if
// that was not drawn for these terms yet: whole seconds. The kernel's timers are
// late by up to an eighth of what they are set to, and the probe is to be there
// within the interval all the same.
func (f *Flow) Probes(r *rand.Rand) {
	longest := min(f.Terms.Interval, kernelMost)
	least := max(1, min(int64((f.Terms.Least+time.Second-1)/time.Second), int64(longest/time.Second)))
	most := max(least, int64(longest*8/9/time.Second)) // of less than five seconds no whole one is early enough
	if idle := int64(f.Idle / time.Second); idle < least || idle > most {
		f.Idle = time.Duration(least+r.Int64N(most-least+1)) * time.Second
	}
}

// kernelMost is the longest TCP_KEEPIDLE.
const kernelMost = 32767 * time.Second

// Tolerant is what is set on a socket. A kernel that gets no answer ends the
// connection at last: after a minute where failed flows are to be closed, else
// after as many probes as can be asked for.
func (f *Flow) Tolerant(closing bool) policy.TCPKeepalive {
	if closing {
		return policy.TCPKeepalive{Idle: f.Idle, Interval: 10 * time.Second, Probes: 6}
	}
	return policy.TCPKeepalive{Idle: f.Idle, Interval: max(time.Second, f.Idle/2), Probes: 127}
}

// Active says that the newest keep-alive is the program's own.
func (f *Flow) Active() bool { return f.app != 0 && f.app == f.Last }

// Due is when the next keep-alive is to go. As long as the program sends them,
// or may be about to, that is when it is late. The kernel's are set up at once,
// as they go for themselves then, and looked at every now and then.
func (f *Flow) Due() event.Time {
	base := max(f.Last, f.from)
	switch {
	case f.Active():
		late := f.Last.Add(f.Terms.Interval)
		if f.Terms.Late != 0 {
			late = f.Terms.Late
		}
		return max(late.Add(grace<<f.back), f.from.Add(f.Terms.Interval), f.until)
	case f.Method == TCP:
		return max(base, f.until)
	case f.Terms.First > f.Last && f.back == 0 && !f.pretends && !f.resumed: // it has until then for its first
		return max(f.Terms.Late, f.from.Add(f.Terms.Interval), f.until)
	}
	return max(base.Add(f.draw<<f.back), f.until)
}

// At is when to look at the flow again, 0 for not at all.
func (f *Flow) At() event.Time {
	switch {
	case f.State == Stopped:
		return 0
	case f.asked != 0:
		return f.asked.Add(forgotten)
	case f.stun != nil && f.stun.open:
		return max(f.stun.next(), f.until)
	case f.waiting > 0:
		return min(f.Due(), f.sent[0].Add(keepalive.PongWait+straggle))
	}
	return f.Due()
}

// Step is what a look at a flow comes to.
type Step uint8

const (
	Wait       Step = iota // until At
	Send                   // a keep-alive is due
	Again                  // the Binding request once more
	Unanswered             // a ping was not answered in time; the flow has failed if State says so
	GaveUp                 // no answer to a Binding request; the flow is stopped
)

// Look says what is to be done at now. Call it until it says Wait or Send or
// Again. known says that the peer has answered keep-alives, on whichever flow;
// from others a pong is not to be expected, several never send one. sure says
// that all which came on the flow was seen: else silence proves nothing.
func (f *Flow) Look(now event.Time, known, sure bool) Step {
	switch {
	case f.State == Stopped:
		return Wait
	case f.asked != 0:
		if now.Sub(f.asked) < forgotten {
			return Wait
		}
		f.asked = 0
	}
	if f.stun != nil && f.stun.open {
		return f.retransmission(now)
	}
	if f.waiting > 0 && now.Sub(f.sent[0]) >= keepalive.PongWait+straggle {
		f.drop()
		f.Unanswered++
		if sure && (f.Answers || known) {
			f.State, f.back = Failed, min(f.back+1, maxBackOff)
		}
		return Unanswered
	}
	due := f.Due()
	if due > now {
		return Wait
	}
	if f.meant == 0 {
		f.meant = due
	}
	return Send
}
