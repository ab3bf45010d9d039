// SPDX-License-Identifier: Apache-2.0

// Package assist is the schedule of the keep-alives that viaduct sends for
// programs which agreed to send some and do not: who is owed them, when the
// next is due, by what means, whether it was answered, and what follows.
//
// Only keep-alives count, as the one who waits for them counts (RFC 5626
// section 4.4: a server waits so long "without seeing keep-alives", RFC 6223
// section 5: no more than so long between two): a SIP message does not put the
// next one off, a keep-alive of the program's own does. A program that sends
// its own is left alone until it is late.
//
// Everything here is pure: time and chance are given by the caller.
package assist

import (
	"math/rand/v2"
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// grace is how much later than promised a program that sends its own may be
	// before viaduct sends for it. Who waits has a grace period, too (RFC 5626
	// section 4.4).
	grace = 500 * time.Millisecond
	// straggle is how late the word of an answer may come: a lone CRLF is held
	// for a second, as it may become the first half of a ping, and another
	// second is for the source of events.
	straggle = 2500 * time.Millisecond
	// renewal is how long the renewal of an agreement may take: what stands
	// again after it has gone on.
	renewal = 5 * time.Second
	// forgotten is when an action whose outcome was never told is given up.
	forgotten = time.Minute
	// first (or a tenth of the interval) and longest wait before something that
	// could not be done is tried again.
	againFirst, againLongest = time.Second, 30 * time.Second
	// recheck is how often it is looked whether a program has undone what was
	// set on its socket.
	recheck = time.Minute
	// maxBackOff is by how many powers of two a flow that has failed, or that
	// viaduct cannot reach, is tried less often.
	maxBackOff = 4
)

// State of a flow, as far as viaduct's keep-alives show it.
type State uint8

const (
	Fine    State = iota
	Failed        // no pong in time from a peer that is known to answer (RFC 5626 section 4.4.1); tried less and less often
	Stopped       // no answer to STUN, or an error: nothing more until keep-alives are agreed anew (RFC 6223 section 10)
)

var stateNames = [...]string{"fine", "failed", "stopped"}

func (s State) String() string { return stateNames[s] }

// Flow is the schedule of one connection or UDP flow. It exists where
// keep-alives are due and viaduct may send them.
type Flow struct {
	Terms  Terms
	Method Method
	Why    Why // this method
	State  State

	Own, App             uint32     // keep-alives sent, by viaduct and by the program
	First, Last          event.Time // of both
	Longest              time.Duration
	Answered, Unanswered uint32        // of viaduct's
	RTT                  time.Duration // of the newest answer, 0 if none
	Answers              bool          // the peer has answered a keep-alive on this flow
	Idle                 time.Duration // TCP: what is to be set on the socket, 0 before
	Probed               time.Duration // TCP: what was set, 0 before; it stays until the socket is closed

	stun     *binding      // UDP
	from     event.Time    // when the time to the next keep-alive begins, if not with the newest
	paused   event.Time    // since when nothing is owed, 0 if something is
	app      event.Time    // the program's newest
	draw     time.Duration // from the last keep-alive to the next
	until    event.Time    // not before, after something that could not be done
	asked    event.Time    // somebody is about to send, 0 if not
	meant    event.Time    // when what is about to be sent was due at first, 0 if nothing is
	stopped  event.Time
	sent     [keepalive.Outstanding]event.Time // pings that wait for a pong
	waiting  uint8
	tries    uint8 // in a row that were put off
	back     uint8 // exponent of the back-off
	resumed  bool  // an earlier process was sending
	pretends bool  // a dry run has begun
	seen     bool  // the ping that was asked for has been seen in the stream
	told     bool  // it was told that it went, before it was seen
	harm     harm
}

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

// Asked notes that somebody is about to do what Send or Again asked for.
func (f *Flow) Asked(now event.Time) { f.asked, f.seen = now, false }

// note takes a keep-alive that went out at t into the cadence.
func (f *Flow) note(t event.Time) {
	if f.First == 0 {
		f.First = t
	} else {
		f.Longest = max(f.Longest, t.Sub(f.Last))
	}
	f.Last = max(f.Last, t)
}

// Beat notes a keep-alive of the program's own and returns the time since the
// keep-alive before, 0 if there was none.
func (f *Flow) Beat(t event.Time) (gap time.Duration) {
	gap, f.meant = f.gap(t), 0
	f.App++
	f.note(t)
	f.app = f.Last
	return gap
}

func (f *Flow) gap(t event.Time) time.Duration {
	if f.Last == 0 {
		return 0
	}
	return t.Sub(f.Last)
}

// Ping notes that viaduct's ping was seen to go out.
func (f *Flow) Ping(t event.Time, r *rand.Rand) (gap time.Duration) {
	if f.told { // what is known already, with the true time
		f.told = false
		if f.waiting > 0 {
			f.sent[f.waiting-1] = min(f.sent[f.waiting-1], t)
		}
		return 0
	}
	f.seen = true
	return f.pinged(t, r)
}

func (f *Flow) pinged(t event.Time, r *rand.Rand) (gap time.Duration) {
	gap = f.gap(t)
	f.Own++
	f.note(t)
	if f.waiting == keepalive.Outstanding {
		f.drop()
		f.Unanswered++
	}
	f.sent[f.waiting] = t
	f.waiting++
	f.redraw(r)
	return gap
}

func (f *Flow) drop() {
	copy(f.sent[:], f.sent[1:])
	f.waiting--
}

// Done notes that what was asked for was done.
func (f *Flow) Done(t event.Time, r *rand.Rand) (gap time.Duration) {
	f.asked, f.tries, f.until = 0, 0, 0
	if f.State != Failed {
		f.back = 0
	}
	switch {
	case f.Method == STUN:
		gap = f.copied(t, r)
	case f.Method == TCP:
		f.Probed = f.Idle
		// All are looked at in the same moments: one pass over the host's
		// sockets does for any number.
		f.until = (t/event.Time(recheck) + 1) * event.Time(recheck)
	case f.seen:
	default:
		gap, f.told = f.pinged(t, r), true
	}
	f.seen = false
	return gap
}

// Late returns how long after it was due a keep-alive was sent, at t. Ask before
// Done. first is false for another copy of a Binding request.
func (f *Flow) Late(t event.Time) (late time.Duration, first bool) {
	if f.meant == 0 {
		return 0, false
	}
	late, f.meant = max(0, t.Sub(f.meant)), 0
	return late, true
}

// Busy notes that what was asked for could not be done at that moment.
func (f *Flow) Busy(now event.Time) {
	f.asked = 0
	f.until = now.Add(min(min(againFirst, f.Terms.Interval/10)<<min(f.tries, 5), againLongest))
	f.tries = min(f.tries+1, 5)
}

// Stuck says that it could not be done for a quarter of a minute.
func (f *Flow) Stuck() bool { return f.tries >= 4 }

// Refused notes that what was asked for cannot be done here.
func (f *Flow) Refused(now event.Time) {
	f.asked, f.meant = 0, 0
	f.until = now.Add(max(f.Terms.Interval, againFirst) << f.back)
	f.back = min(f.back+1, maxBackOff)
}

// Pretend notes that what was asked for would have been done.
func (f *Flow) Pretend(now event.Time, r *rand.Rand) {
	f.asked, f.meant, f.from, f.until, f.pretends = 0, 0, now, 0, true
	if f.Method == TCP {
		f.until = now.Add(max(recheck, f.Terms.Interval))
	}
	f.redraw(r)
}

// Awaits says whether a pong of the peer answers a ping of viaduct's: app is
// the oldest ping of the program that waits, 0 if none does.
func (f *Flow) Awaits(app event.Time) bool {
	return f.waiting > 0 && (app == 0 || f.sent[0] <= app)
}

// Pong notes that the peer has answered a ping of viaduct's, and that the
// program gets that answer to read.
func (f *Flow) Pong(t event.Time) time.Duration {
	f.RTT = max(0, t.Sub(f.sent[0]))
	f.drop()
	f.Answered++
	f.recovered()
	f.harm.pong(t)
	return f.RTT
}

// recovered: the peer has answered, whomever.
func (f *Flow) recovered() {
	f.Answers = true
	if f.State == Failed {
		f.State, f.back = Fine, 0
	}
}

// AwaitsTwo is Awaits for two pongs, one of which may be for a ping of the
// program that waits.
func (f *Flow) AwaitsTwo(app bool) bool { return f.waiting >= 2 || f.waiting == 1 && app }

// Replied notes that the peer answered a keep-alive of the program's.
func (f *Flow) Replied() { f.recovered() }

// Mean is the time between two keep-alives, whoever sent them; 0 if there were
// no two.
func (f *Flow) Mean() time.Duration {
	if n := f.Own + f.App; n > 1 {
		return f.Last.Sub(f.First) / time.Duration(n-1)
	}
	return 0
}
