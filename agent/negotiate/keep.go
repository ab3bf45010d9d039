// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"bytes"
	"iter"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Answer is what became of an offer.
type Answer uint8

const (
	Pending  Answer = iota // no answer seen
	Agreed                 // bare `keep` offered, `keep=N` answered
	Refused                // answered without a value
	Unproven               // the offer had a value already, and the answer may echo it
)

// Keep is what a report shows of one direction: an agreement, or the newest
// offer while there is none.
type Keep struct {
	Offered bool
	Answer  Answer
	Scope   Scope
	Seconds uint32     // 0 recommends no frequency
	Until   event.Time // end of the agreement, 0 if not known or not ended
	From    message.Label
	call    uint64
}

// Keep returns what the report shows and the direction of its keep-alives:
// what was agreed before what was only offered, our own duty before the
// neighbour's. ok is false if nobody offered.
func (s *State) Keep() (k Keep, d event.Direction, ok bool) {
	out, in := s.shown(event.Out), s.shown(event.In)
	if in.Offered && (!out.Offered || out.Answer != Agreed && in.Answer == Agreed) {
		return in, event.In, true
	}
	return out, event.Out, out.Offered
}

// shown is the tightest agreement of the direction, or what was last heard.
func (s *State) shown(d event.Direction) Keep {
	var best *Agreement
	for a := s.agreements.Last(); a != nil; a = a.here.Prev() {
		if a.By == d && (best == nil || a.tighter(best)) {
			best = a
		}
	}
	if best != nil {
		return best.keep()
	}
	return s.keep[index(d)]
}

// Live yields the agreements about keep-alives in direction d on this
// connection that stand at t.
func (s *State) Live(d event.Direction, t event.Time) iter.Seq[*Agreement] {
	return func(yield func(*Agreement) bool) {
		if s == nil {
			return
		}
		for a := s.agreements.Last(); a != nil; {
			next := a.here.Prev()
			if a.By == d && a.Stands(t) && !yield(a) {
				return
			}
			a = next
		}
	}
}

// KeepAgreed says whether keep-alives in direction d are agreed at t, for
// whatever registration or dialog: the other side then owes answers to them.
func (s *State) KeepAgreed(d event.Direction, t event.Time) bool {
	for range s.Live(d, t) {
		return true
	}
	return false
}

// Duty is what one side of a connection owes the other.
type Duty struct {
	Seconds uint32     // longest time between two keep-alives; 0 leaves it to the sender
	Since   event.Time // of the agreement that asks for Seconds
	Until   event.Time // when the last agreement runs out; 0 if only a message ends it
}

// Owes returns what the sender of direction d owes at t: the tightest of the
// agreements, for as long as the longest. ok is false if it owes nothing.
func (s *State) Owes(d event.Direction, t event.Time) (duty Duty, ok bool) {
	for a := range s.Live(d, t) {
		if a.Renewing != 0 || a.Elsewhere {
			continue
		}
		switch {
		case !ok:
			duty.Until = a.Until
		case a.Until == 0 || duty.Until == 0:
			duty.Until = 0
		default:
			duty.Until = max(duty.Until, a.Until)
		}
		ok = true
	}
	if ok {
		a := s.Tightest(d, t)
		duty.Seconds, duty.Since = a.Seconds, a.Began()
	}
	return duty, ok
}

// Tightest returns the agreement that asks for the most frequent keep-alives in
// direction d at t, or nil. One that a REGISTER of that very moment renews
// counts still.
func (s *State) Tightest(d event.Direction, t event.Time) (tightest *Agreement) {
	for a := range s.Live(d, t) {
		if (a.Renewing == 0 || a.Renewing == t) && !a.Elsewhere && (tightest == nil || a.tighter(tightest)) {
			tightest = a
		}
	}
	return tightest
}

// Keeping says whether there are agreements on the connection at all.
func (s *State) Keeping() bool { return s != nil && s.agreements.Len() > 0 }

// Beat notes a keep-alive that went in direction d.
func (s *State) Beat(d event.Direction, t event.Time) {
	if s == nil {
		return
	}
	for a := s.agreements.Last(); a != nil; a = a.here.Prev() {
		if a.By == d {
			a.Before, a.Kept = a.Kept, t
		}
	}
}

// Past returns how the latest agreement of the direction ended that was over
// at t; its Why is 0 if none was.
func (s *State) Past(d event.Direction, t event.Time) (p Past) {
	if s == nil {
		return p
	}
	p = s.past[index(d)]
	for a := s.agreements.Last(); a != nil; a = a.here.Prev() {
		if a.By == d && !a.Stands(t) && a.Until >= p.At {
			p = Past{Expired, a.Until, a}
		}
	}
	return p
}

// Value reads keep=N on a Via: ok is false for a bare keep, for none, and for
// a malformed one, which counts as none. A number beyond the range saturates.
func Value(via *sipparse.Via) (n uint32, ok bool) {
	k := &via.Keep
	return k.N, k.HasValue && (k.Valid || k.N > 0) && !Malformed(via)
}

// Malformed says whether keep on a Via breaks the grammar of RFC 6223 section
// 8.2: a value that is no number, or the parameter twice.
func Malformed(via *sipparse.Via) bool {
	k := &via.Keep
	if !k.Present {
		return false
	}
	return k.HasValue && !k.Valid && k.N == 0 || via.Defects.Has(sipparse.CodeParamDuplicate) && twice(via)
}

func twice(via *sipparse.Via) bool {
	n := 0
	var p sipparse.Param
	for list := sipparse.Params(via.Params); list.Next(&p); {
		if bytes.EqualFold(p.Name, []byte("keep")) {
			n++
		}
	}
	return n > 1
}
