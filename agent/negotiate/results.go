// SPDX-License-Identifier: Apache-2.0

package negotiate

import "github.com/viaduct-project/viaduct/internal/event"

// Mechanism is what may be negotiated.
type Mechanism uint8

const (
	KeepMechanism Mechanism = iota
	AliasMechanism
	PersistentMechanism
	OutboundMechanism
	Mechanisms
)

var mechanisms = [Mechanisms]string{"keep", "alias", "persistent", "outbound"}

func (m Mechanism) String() string { return mechanisms[m] }

// Result is an outcome to which a negotiation on a connection came. A
// connection may come to several, one after the other.
type Result uint8

const (
	KeepOffered Result = iota
	KeepAgreed
	KeepRefused
	KeepUnproven
	AliasOffered
	AliasUsed
	AliasNotUsed
	PersistentOffered
	PersistentHonoured
	PersistentCountered
	PersistentDeclined
	PersistentAgreed
	OutboundOffered
	OutboundAgreed
	NumResults
)

var results = [NumResults]struct {
	of      Mechanism
	outcome string
}{
	{KeepMechanism, "offered"}, {KeepMechanism, "agreed"}, {KeepMechanism, "refused"}, {KeepMechanism, "unproven"},
	{AliasMechanism, "offered"}, {AliasMechanism, "used"}, {AliasMechanism, "not-used"},
	{PersistentMechanism, "offered"}, {PersistentMechanism, "honoured"}, {PersistentMechanism, "countered"},
	{PersistentMechanism, "declined"}, {PersistentMechanism, "agreed"},
	{OutboundMechanism, "offered"}, {OutboundMechanism, "agreed"},
}

// Mechanism that the result is of.
func (r Result) Mechanism() Mechanism { return results[r].of }

// Outcome in the words of the report.
func (r Result) Outcome() string { return results[r].outcome }

// Results is a set of them.
type Results uint16

// Has says whether r is among them.
func (all Results) Has(r Result) bool { return all>>r&1 != 0 }

func (all *Results) add(r Result, there bool) {
	if there {
		*all |= 1 << r
	}
}

// Results returns what was come to by t: the end of the connection, or now.
// closedByOther is as for [Persistent.Outcome]. s may be nil.
func (s *State) Results(t event.Time, closedByOther bool) (all Results) {
	if s == nil {
		return 0
	}
	for _, d := range []event.Direction{event.In, event.Out} {
		k, agreed := s.shown(d), s.KeptEver(d)
		all.add(KeepOffered, k.Offered || agreed)
		all.add(KeepAgreed, agreed)
		all.add(KeepRefused, k.Answer == Refused)
		all.add(KeepUnproven, k.Answer == Unproven)
	}
	if s.Alias.By != 0 {
		all.add(AliasOffered, true)
		all.add(AliasUsed, s.Alias.Used)
		all.add(AliasNotUsed, !s.Alias.Used && s.Alias.Reversed)
	}
	if s.Persistent.By != 0 {
		all.add(PersistentOffered, true)
		all.add(PersistentOffered+Result(s.Persistent.Outcome(t, closedByOther)), true)
	}
	all.add(OutboundOffered, s.Outbound.By != 0)
	all.add(OutboundAgreed, s.Outbound.Agreed)
	return all
}

// Standing is the set of mechanisms that are in force at t on a connection that
// is open, a bit for each. s may be nil.
func (s *State) Standing(t event.Time) (all uint8) {
	if s == nil {
		return 0
	}
	stand := func(m Mechanism, there bool) {
		if there {
			all |= 1 << m
		}
	}
	stand(KeepMechanism, s.KeepAgreed(event.In, t) || s.KeepAgreed(event.Out, t))
	stand(AliasMechanism, s.Alias.Used)
	if s.Persistent.By != 0 {
		outcome := s.Persistent.Outcome(t, false)
		stand(PersistentMechanism, outcome == Honoured || outcome == Accepted)
	}
	stand(OutboundMechanism, s.Outbound.Agreed && !s.Outbound.over(t))
	return all
}

// Next is when Results or Standing may change after t though nothing happens, 0
// if they do not. s may be nil.
func (s *State) Next(t event.Time) (next event.Time) {
	if s == nil {
		return 0
	}
	at := func(candidate event.Time) {
		if candidate > t && (next == 0 || candidate < next) {
			next = candidate
		}
	}
	for a := s.agreements.Last(); a != nil; a = a.here.Prev() {
		at(a.Until)
	}
	at(s.Outbound.Until)
	if p := &s.Persistent; p.Ended != 0 && p.LaterAt == 0 && !p.Retry {
		at(p.Ended.Add(Linger) + 1)
	}
	return next
}
