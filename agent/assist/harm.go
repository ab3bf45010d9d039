// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Harm is how a program was seen to suffer from a pong that it had not asked
// for.
type Harm uint8

const (
	Unharmed   Harm = iota
	ClosedSoon      // it closed the connection, or ended, at once
	ClosedLate      // it took the lone CRLF for the beginning of a message and gave that up after its time for one
	AnsweredIt      // it answered it with bytes of its own
	LostNext        // it took it for the beginning of the message that came next, and so did not understand that
	maxHarm    = LostNext
)

var harms = [...]string{
	"", "it closed the connection at once", "it closed the connection when its time for reading a message was over",
	"it answered the pong", "it did not answer the request that came next",
}

func (h Harm) String() string { return harms[h] }

const (
	// atOnce is how fast a program that cannot stand a pong closes. A ping goes
	// every 30 seconds or so: one close in two hundred comes so soon by chance.
	atOnce = 150 * time.Millisecond
	// soon is that for a program which owes keep-alives on the connection, and so
	// has no reason of its own to close it.
	soon = time.Second
	// Servers that wait for the rest of a message do so for about 20 seconds,
	// and look at their timers every few: Kamailio 6 closes after 20 to 30.
	readLeast, readMost = 15 * time.Second, 35 * time.Second
	// fewPongs: with more of them, the first did no harm.
	fewPongs = 2
	// survived is how long after a pong, with nothing else to read, a program
	// that has not closed copes with pongs.
	survived = 40 * time.Second
	// answersWithin is how fast an answer to a pong comes.
	answersWithin = 300 * time.Millisecond
)

// harm watches what a program does with the pongs that it reads for viaduct's
// pings.
type harm struct {
	first, last event.Time // since the newest message from the peer
	pongs       uint32
	next        behind
}

// behind is a request that came behind pongs, and is not answered yet.
type behind struct {
	request uint64 // 0: none
	at      event.Time
	after   time.Duration // since the newest pong
	odd     bool          // so many pongs: two of them may pass for an empty message
}

// undecided is how long it takes at most until a request is answered or given
// up (RFC 3261 section 17.1.1.2, Timer B), and a little more.
const undecided = 40 * time.Second

func (h *harm) pong(t event.Time) {
	if h.pongs == 0 {
		h.first = t
	}
	h.last = t
	h.pongs++
}

// Heard notes a message of the peer's: the program has read past the pongs.
func (f *Flow) Heard() { f.harm = harm{next: f.harm.next} }

// Next notes a request of the peer's, known by a number that is not 0, before
// Heard does.
func (f *Flow) Next(request uint64, t event.Time) {
	w := &f.harm
	if w.pongs == 0 || w.next.request != 0 && t.Sub(w.next.at) < undecided {
		return
	}
	w.next = behind{request, t, t.Sub(w.last), w.pongs%2 == 1}
}

// Understood notes that the program has answered a request, or sent it on. It
// returns whether that came behind pongs and was understood all the same.
func (f *Flow) Understood(request uint64) bool {
	w := &f.harm.next
	if w.request != request {
		return false
	}
	odd := w.odd
	*w = behind{}
	return odd
}

// GivenUp notes that a request was not answered for as long as its sender waits.
func (f *Flow) GivenUp(request uint64) (h Harm, after time.Duration) {
	w := &f.harm.next
	if w.request != request {
		return Unharmed, 0
	}
	after = w.after
	*w = behind{}
	return LostNext, after
}

// Copes says whether the program has shown by t that pongs do it no harm.
func (f *Flow) Copes(t event.Time) bool { return f.harm.pongs > 0 && t.Sub(f.harm.first) >= survived }

// Ended says whether the program, which closed the connection at t, did so
// because of a pong. owing says that by what was agreed it owed keep-alives on
// the connection, and so had promised that there be one; exiting that it was
// ending. Of a program that copes with pongs do not ask.
func (f *Flow) Ended(t event.Time, owing, exiting bool) (h Harm, after time.Duration) {
	w := &f.harm
	if w.pongs == 0 {
		return Unharmed, 0
	}
	if after = t.Sub(w.last); after <= atOnce || after <= soon && owing && !exiting {
		return ClosedSoon, after
	}
	after = t.Sub(w.first)
	if owing && !exiting && w.pongs <= fewPongs && after >= readLeast && after <= readMost {
		return ClosedLate, after
	}
	return Unharmed, 0
}

// Stray says whether a lone CRLF that the program sent at t, and that answers
// no ping, answers a pong.
func (f *Flow) Stray(t event.Time) (h Harm, after time.Duration) {
	w := &f.harm
	if after = t.Sub(w.last); w.pongs > 0 && after <= answersWithin {
		return AnsweredIt, after
	}
	return Unharmed, 0
}
