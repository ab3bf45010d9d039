// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Saved is what of a State another process can take up. Its JSON is part of
// the format of agent/saved, and so are the numbers of what it names.
type Saved struct {
	Agreements []SavedAgreement `json:",omitempty"` // the newest last
	Keep       [2]Keep          `json:",omitzero"`
	Past       [2]SavedPast     `json:",omitzero"`
	Alias      Alias            `json:",omitzero"`
	Persistent Persistent       `json:",omitzero"`
	Outbound   Outbound         `json:",omitzero"`
}

// SavedAgreement is an Agreement without its place in a table.
type SavedAgreement struct {
	Agreement
	Key       uint64
	To        Neighbour
	Unsettled bool `json:",omitempty"` // see [Agreement.Early]
}

// SavedPast is a Past, of which At is 0 if there was none.
type SavedPast struct {
	Why       Why
	At        event.Time
	Agreement SavedAgreement `json:",omitzero"`
}

// otherTx stands for a transaction that this process knows nothing of.
const otherTx = ^uint64(0)

// Save returns a copy of s that shares nothing with it, with its newest
// MaxSavedAgreements agreements.
func (s *State) Save() *Saved {
	saved := &Saved{Keep: s.keep, Alias: s.Alias, Persistent: s.Persistent, Outbound: s.Outbound}
	for i := range saved.Keep {
		saved.Keep[i].call = 0
	}
	saved.Persistent.Offer.Agreed = nil
	for a := s.agreements.Last(); a != nil && len(saved.Agreements) < MaxSavedAgreements; a = a.here.Prev() {
		saved.Agreements = append(saved.Agreements, a.save())
	}
	slices.Reverse(saved.Agreements)
	for i, p := range s.past {
		if p.Why != 0 {
			saved.Past[i] = SavedPast{p.Why, p.At, p.Agreement.save()}
		}
	}
	return saved
}

// save leaves out when keep-alives went: the next process has not seen those
// that go meanwhile.
func (a *Agreement) save() SavedAgreement {
	c := SavedAgreement{Key: a.key, To: a.to, Unsettled: a.Early(), Agreement: Agreement{
		By: a.By, Scope: a.Scope, Seconds: a.Seconds, FlowTimer: a.FlowTimer, From: a.From,
		First: a.First, Since: a.Since, Moved: a.Moved, Until: a.Until, Renewing: a.Renewing,
		Elsewhere: a.Elsewhere, Stranded: a.Stranded, Uses: a.Uses,
	}}
	return c
}

// restore is the opposite of save. What nobody saw counts as kept: the silence
// of a side begins when somebody looks.
func (c *SavedAgreement) restore(now event.Time) *Agreement {
	a := c.Agreement
	a.key, a.to, a.tx, a.Resumed, a.Kept, a.Before = c.Key, c.To, otherTx, now, now.Add(-time.Nanosecond), 0
	if c.Unsettled {
		a.early = otherTx
	}
	return &a
}

// Restore takes up at now what another process had saved of a connection. The
// answers to offers of that time are nobody's any more. saved must be Valid.
func (tb *Agreements) Restore(saved *Saved, now event.Time) *State {
	s := &State{keep: saved.Keep, Alias: saved.Alias, Persistent: saved.Persistent, Outbound: saved.Outbound, Resumed: now}
	for i := range saved.Past {
		if p := &saved.Past[i]; p.Why != 0 {
			s.past[i] = Past{p.Why, p.At, p.Agreement.restore(now)}
		}
	}
	for i := range saved.Agreements {
		tb.add(saved.Agreements[i].restore(now), s)
	}
	tb.Prune(s, now)
	return s
}

// MaxSavedAgreements is how many agreements of one connection are saved.
const MaxSavedAgreements = 10_000

// Valid says whether s can have been made by Save.
func (s *Saved) Valid() bool {
	if len(s.Agreements) > MaxSavedAgreements {
		return false
	}
	for i := range s.Agreements {
		if !s.Agreements[i].valid() {
			return false
		}
	}
	for i := range s.Keep {
		k, p := &s.Keep[i], &s.Past[i]
		if k.Answer > Unproven || k.Scope > ScopeDialog || p.Why > Gone || p.Why != 0 && !p.Agreement.valid() {
			return false
		}
	}
	return max(s.Alias.By, s.Persistent.By, s.Outbound.By, s.Outbound.DialogBy) <= event.Out
}

func (c *SavedAgreement) valid() bool {
	return (c.By == event.In || c.By == event.Out) && (c.Scope == ScopeRegistration || c.Scope == ScopeDialog)
}
