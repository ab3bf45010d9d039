// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"math/rand/v2"
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/internal/event"
)

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
	f.seen = f.asked != 0
	if !f.seen { // it was told that it could not be done, and was done all the same
		f.meant = 0
	}
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

// Busy notes that what was asked for could not be done at that moment, as far as
// is known: it may have been seen to go out.
func (f *Flow) Busy(now event.Time) {
	if f.seen {
		f.seen, f.meant = false, 0
	}
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
