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
	maxHarm    = AnsweredIt
)

var harms = [...]string{
	"", "it closed the connection at once", "it closed the connection when its time for reading a message was over",
	"it answered the pong",
}

func (h Harm) String() string { return harms[h] }

const (
	// soon is how fast a program that cannot stand a pong closes.
	soon = time.Second
	// soonEnded is that for a program which ends: any does some day.
	soonEnded = 300 * time.Millisecond
	// Servers that wait for the rest of a message do so for about 20 seconds,
	// and look at their timers every few: Kamailio closes after 26.
	readLeast, readMost = 15 * time.Second, 35 * time.Second
	// fewPongs: with more of them, the first did no harm.
	fewPongs = 2
	// answersWithin is how fast an answer to a pong comes.
	answersWithin = time.Second
)

// harm watches what a program does with the pongs that it reads for viaduct's
// pings.
type harm struct {
	first, last event.Time // since the newest message from the peer
	pongs       uint8
}

func (h *harm) pong(t event.Time) {
	if h.pongs == 0 {
		h.first = t
	}
	h.last = t
	h.pongs = min(h.pongs+1, fewPongs+1)
}

// Heard notes a message of the peer's: the program has read past the pongs.
func (f *Flow) Heard() { f.harm = harm{} }

// Ended says whether the program, which closed the connection at t, did so
// because of a pong. exiting: it was ending. usual: it closes connections that
// were idle for as long as this one was.
func (f *Flow) Ended(t event.Time, exiting, usual bool) (h Harm, after time.Duration) {
	w := &f.harm
	if w.pongs == 0 {
		return Unharmed, 0
	}
	limit := soon
	if exiting {
		limit = soonEnded
	}
	if after = t.Sub(w.last); after <= limit {
		return ClosedSoon, after
	}
	after = t.Sub(w.first)
	if !exiting && !usual && w.pongs <= fewPongs && after >= readLeast && after <= readMost {
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
