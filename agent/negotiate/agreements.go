// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// orphanage is how long a dialog's agreement waits for a connection after it
// lost its own: sessions refresh themselves within half an hour (RFC 4028).
const orphanage = 30 * time.Minute

// Agreements holds at most Limit agreements, of all connections.
type Agreements struct {
	Limit   int
	Evicted uint64
	Changed func(holder any) // told when an agreement came to a connection, left it or got another end; may be nil

	byKey         map[uint64]*Agreement // of one registration or dialog, chained by same
	n             int
	registrations int
	held          chain.Chain[Agreement] // on a connection, the least recently agreed first
	orphans       chain.Chain[Agreement] // on none, the longest first
}

// NewAgreements returns an empty table.
func NewAgreements(limit int) *Agreements {
	return &Agreements{Limit: limit, byKey: make(map[uint64]*Agreement)}
}

// Len is the number of agreements held.
func (tb *Agreements) Len() int { return tb.n }

// Registrations is how many of them belong to registrations.
func (tb *Agreements) Registrations() int { return tb.registrations }

// Has says whether there is one about the registration or dialog.
func (tb *Agreements) Has(key uint64) bool { return tb.byKey[key] != nil }

// Refreshing notes that a REGISTER for the registration was sent: until it is
// answered the agreement is neither here nor there.
func (tb *Agreements) Refreshing(key uint64, t event.Time) {
	for a := tb.byKey[key]; a != nil; a = a.same {
		if a.Renewing == 0 {
			a.Renewing = t
		}
	}
}

// Follow takes a request of the dialog that went in direction d to a
// neighbour, on the connection of s: agreements move there with it. It says
// whether one stands with that neighbour.
func (tb *Agreements) Follow(key uint64, d event.Direction, s *State, to Neighbour, t event.Time) (stands bool) {
	for a := tb.byKey[key]; a != nil; a = a.same {
		if a.By != d || a.Scope != ScopeDialog {
			continue
		}
		if a.Elsewhere = a.to != to; a.Elsewhere {
			continue
		}
		stands = stands || a.Stands(t)
		a.Uses++
		if a.state != s {
			a.Stranded = a.state == nil
			tb.move(a, s, t)
		}
	}
	return stands
}

// End ends what was agreed for the dialog, both ways.
func (tb *Agreements) End(key uint64, t event.Time) {
	for a := tb.byKey[key]; a != nil; {
		next := a.same
		tb.over(a, Ended, t)
		a = next
	}
}

// Subscribed notes until when a subscription lasts.
func (tb *Agreements) Subscribed(key uint64, until event.Time) {
	for a := tb.byKey[key]; a != nil; a = a.same {
		if a.From.Method == sipparse.MethodSubscribe && a.early == 0 {
			a.Until = until
			tb.changed(a.state)
		}
	}
}

// Prune ends what has run out on the connection of s.
func (tb *Agreements) Prune(s *State, t event.Time) {
	for a := s.agreements.Last(); a != nil; {
		next := a.here.Prev()
		if !a.Stands(t) {
			tb.over(a, Expired, t)
		}
		a = next
	}
}

// Release takes the connection of s away at t: registrations stand on it and
// fall with it, dialogs may go on on another.
func (tb *Agreements) Release(s *State, t event.Time) {
	for a := s.agreements.Last(); a != nil; {
		next := a.here.Prev()
		if a.Scope == ScopeDialog && a.early == 0 && a.Stands(t) {
			tb.detach(a, Gone, t)
			a.age.Join(&tb.orphans, a)
			a.Moved = t
		} else {
			tb.over(a, Gone, t)
		}
		a = next
	}
}

// Expire drops the orphans that no connection came for.
func (tb *Agreements) Expire(now event.Time) {
	for a := tb.orphans.First(); a != nil && now.Sub(a.Moved) >= orphanage; a = tb.orphans.First() {
		tb.remove(a)
	}
}

// find returns the agreement about the key and direction with the neighbour.
// Whom a registration is kept up with does not matter, there is one.
func (tb *Agreements) find(key uint64, d event.Direction, to Neighbour) *Agreement {
	for a := tb.byKey[key]; a != nil; a = a.same {
		if a.By == d && (a.Scope == ScopeRegistration || a.to == to) {
			return a
		}
	}
	return nil
}

func (tb *Agreements) add(a *Agreement, s *State) {
	if tb.n >= tb.Limit {
		oldest := tb.orphans.First()
		if oldest == nil {
			oldest = tb.held.First()
		}
		if oldest != nil {
			tb.Evicted++
			tb.remove(oldest)
		}
	}
	a.same = tb.byKey[a.key]
	tb.byKey[a.key] = a
	tb.n++
	if a.Scope == ScopeRegistration {
		tb.registrations++
	}
	tb.attach(a, s)
	a.age.Join(&tb.held, a)
}

// over ends a and leaves its memory with the connection.
func (tb *Agreements) over(a *Agreement, why Why, t event.Time) {
	tb.detach(a, why, t)
	tb.remove(a)
}

// remove forgets a.
func (tb *Agreements) remove(a *Agreement) {
	if a.state != nil { // evicted
		a.state.keep[index(a.By)] = a.keep()
		tb.unlink(a)
	}
	if tb.byKey[a.key] == a {
		if a.same == nil {
			delete(tb.byKey, a.key)
		} else {
			tb.byKey[a.key] = a.same
		}
	} else {
		before := tb.byKey[a.key]
		for before.same != a {
			before = before.same
		}
		before.same = a.same
	}
	a.same = nil
	a.age.Leave()
	tb.n--
	if a.Scope == ScopeRegistration {
		tb.registrations--
	}
}

func (tb *Agreements) attach(a *Agreement, s *State) {
	a.state = s
	a.here.Join(&s.agreements, a)
	tb.changed(s)
}

func (tb *Agreements) changed(s *State) {
	if tb.Changed != nil && s != nil && s.Holder != nil {
		tb.Changed(s.Holder)
	}
}

// detach takes a from its connection, whose report shows from then on that it
// was agreed until t, or until it ran out before that.
func (tb *Agreements) detach(a *Agreement, why Why, t event.Time) {
	s := a.state
	if s == nil {
		return
	}
	tb.unlink(a)
	if a.Until != 0 && a.Until <= t {
		why, t = Expired, a.Until
	}
	k := a.keep()
	k.Until = t
	if why == NotAccepted {
		k.Answer, k.Seconds, k.Until = Refused, 0, 0
	}
	s.keep[index(a.By)] = k
	s.past[index(a.By)] = Past{why, t, a}
}

// move takes a to the connection of s.
func (tb *Agreements) move(a *Agreement, s *State, t event.Time) {
	tb.detach(a, Left, t)
	a.Moved, a.Uses, a.Kept, a.Before = t, 1, 0, 0
	tb.attach(a, s)
	a.age.Join(&tb.held, a)
}

func (tb *Agreements) unlink(a *Agreement) {
	tb.changed(a.state)
	a.here.Leave()
	a.state = nil
}
