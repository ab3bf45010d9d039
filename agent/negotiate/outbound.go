// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Outbound is RFC 5626. The newest 2xx to a REGISTER of the flow decides
// (sections 4.4 and 4.4.1).
type Outbound struct {
	By        event.Direction
	From      message.Label
	Agreed    bool // 2xx with Require: outbound, or with ob on a Path URI
	ByPath    bool // of the two, the Path
	FlowTimer sipparse.NumParam
	Direct    bool       // the client of the flow is the registering UA itself: one Via
	Since     event.Time // of the first 2xx from which on all were like the newest, in its Call-ID
	At        event.Time // of the newest 2xx, 0 if there was none
	Until     event.Time // when the registration ends, 0 if not known
	Call      uint64     // which Call-ID the newest one has, see CallOf: a UA that starts anew has another

	// Dialog: a dialog was formed by a request whose Contact URI has ob.
	DialogBy   event.Direction
	DialogFrom message.Label
	Dialog     bool
}

func (b *Outbound) answered(d event.Direction, t event.Time, o *Offer, m *message.Message) {
	if m.Status < 200 || m.Status > 299 {
		return
	}
	if o.ContactOB && !b.Dialog {
		b.Dialog, b.DialogBy, b.DialogFrom = true, d, o.Label
	}
	if o.Label.Method != sipparse.MethodRegister || d != b.By {
		return
	}
	if o.Leaves || m.Contacts == 0 {
		b.Until = t // the flow may serve other registrations, but who knows
	}
	if !o.Outbound || o.Leaves {
		return
	}
	agreed := m.Require&message.Outbound != 0 || m.PathOB
	byPath := agreed && m.Require&message.Outbound == 0
	if b.At == 0 || b.over(t) || agreed != b.Agreed || byPath != b.ByPath || m.FlowTimer != b.FlowTimer || o.Call != b.Call {
		b.Since = t
	}
	b.Agreed, b.ByPath, b.FlowTimer = agreed, byPath, m.FlowTimer
	b.From, b.Direct, b.At, b.Until, b.Call = o.Label, m.Vias == 1, t, registeredUntil(t, m), o.Call
}

// registeredUntil is when the registration that m confirms runs out, or 0 if m
// does not say so for certain.
func registeredUntil(t event.Time, m *message.Message) event.Time {
	seconds := m.Expires
	if m.Contacts == 1 && m.Contact.Expires.Valid {
		seconds = m.Contact.Expires
	} else if m.Contacts > 1 {
		return 0
	}
	if !seconds.Valid {
		return 0
	}
	return t.Add(time.Duration(seconds.N) * time.Second)
}

func (b *Outbound) over(t event.Time) bool { return b.Until != 0 && b.Until <= t }

// Beats is what was agreed about the keep-alives of one side.
type Beats struct {
	Required bool       // the newest 2xx to its REGISTER has Require: outbound
	Path     bool       // it has ob on a Path URI
	Keep     bool       // keep was answered with a value
	Seconds  uint32     // the value, 0 if it recommends nothing
	Timer    uint32     // Flow-Timer of the newest 2xx in seconds, 0 if there is none
	Since    event.Time // since when this has been so, by what the registration says
	At       event.Time // of that 2xx, 0 if there was none or its registration is over
}

// Agreed says whether the side may count on answers to its keep-alives.
func (b *Beats) Agreed() bool { return b.Required || b.Path || b.Keep }

// Beats returns what holds at t for what goes in direction d. Outbound is
// about the hop between the UA and its first neighbour only; beyond it nothing
// is agreed. s may be nil.
func (s *State) Beats(d event.Direction, t event.Time) (b Beats) {
	if s == nil || d == 0 {
		return b
	}
	var tightest *Agreement
	for a := range s.Live(d, t) {
		if tightest == nil || a.tighter(tightest) {
			tightest = a
		}
	}
	if tightest != nil {
		b.Keep, b.Seconds = true, tightest.Seconds
	}
	o := &s.Outbound
	if o.By != d || !o.Direct || o.At == 0 || o.over(t) {
		return b
	}
	b.Required, b.Path, b.Since, b.At = o.Agreed && !o.ByPath, o.ByPath, max(o.Since, s.Resumed), o.At
	if o.FlowTimer.Valid {
		b.Timer = o.FlowTimer.N
	}
	return b
}

// Supports says whether the neighbour that gets what goes in direction d has
// shown that it answers keep-alives, for whomever and whenever. s may be nil.
func (s *State) Supports(d event.Direction) bool {
	return s != nil && (s.Outbound.Agreed && s.Outbound.By == d || s.KeptEver(d))
}

// KeptEver says whether keep was ever agreed for direction d. s may be nil.
func (s *State) KeptEver(d event.Direction) bool {
	if s == nil {
		return false
	}
	for a := s.agreements.Last(); a != nil; a = a.here.Prev() {
		if a.By == d {
			return true
		}
	}
	return s.past[index(d)].Why != 0
}
