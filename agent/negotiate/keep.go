// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Answer is what became of an offer.
type Answer uint8

const (
	Pending  Answer = iota // no answer seen
	Agreed                 // bare `keep` offered, `keep=N` answered
	Refused                // answered without a value
	Unproven               // the offer had a value already, and the answer may echo it
)

// Keep is one direction's keep-alive agreement.
type Keep struct {
	Offered bool
	Answer  Answer
	Scope   Scope
	Seconds uint32     // 0 recommends no frequency
	Until   event.Time // end of the agreement, 0 if not known or not ended
	From    message.Label
	call    uint64
	early   bool // agreed by a provisional response only
}

// Keep returns the agreement that the report shows and the direction of its
// keep-alives: what was agreed before what was only offered, our own duty
// before the neighbour's. ok is false if nobody offered.
func (s *State) Keep() (k Keep, d event.Direction, ok bool) {
	out, in := s.keep[index(event.Out)], s.keep[index(event.In)]
	if in.Offered && (!out.Offered || out.Answer != Agreed && in.Answer == Agreed) {
		return in, event.In, true
	}
	return out, event.Out, out.Offered
}

func (k *Keep) live(t event.Time) bool { return k.Answer == Agreed && (k.Until == 0 || k.Until > t) }

func (k *Keep) offered(t event.Time, o *Offer) {
	if k.live(t) {
		// A dialog's agreement cannot be negotiated again, and a
		// registration's stands until the refresh is answered.
		return
	}
	*k = Keep{Offered: true, Scope: o.scope(), From: o.Label, call: o.Call}
}

// answered is RFC 6223 section 4.3: the value counts if the request's keep was
// bare; a registration is refreshed by a 2xx only, a dialog exists from a
// provisional response on but ends with a final one that refuses it.
func (k *Keep) answered(t event.Time, o *Offer, m *message.Message) {
	mine := o.Call == k.call
	ok2xx, final := m.Status/100 == 2, m.Status >= 200
	if !o.KeepBare && !o.KeepValued {
		if ok2xx && mine && k.live(t) && k.Scope == ScopeRegistration && o.scope() == ScopeRegistration {
			k.Until = t // refreshed without a new offer, RFC 6223 section 4.2.2
		}
		return
	}
	valued := m.Via.Keep.Present && m.Via.Keep.HasValue && m.Via.Keep.Valid
	scope := o.scope()
	agrees := o.KeepBare && valued && (ok2xx || m.Status > 100 && m.Status < 200 && scope == ScopeDialog)
	switch {
	case agrees && k.live(t) && (!mine || scope == ScopeDialog):
		k.early = k.early && !ok2xx
	case agrees:
		*k = Keep{Offered: true, Answer: Agreed, Scope: scope, Seconds: m.Via.Keep.N, From: o.Label, call: o.Call, early: !ok2xx}
		if scope == ScopeRegistration {
			k.Until = registeredUntil(t, m)
		}
	case !final || !mine:
	case k.Answer == Agreed && k.early && !ok2xx:
		k.Answer, k.early, k.Seconds = Refused, false, 0 // no dialog came of it
	case k.Answer == Agreed:
		k.early = k.early && !ok2xx
		if ok2xx && scope == ScopeRegistration && k.live(t) {
			k.Until = t
		}
	case o.KeepValued:
		k.Answer = Unproven
	default:
		k.Answer = Refused
	}
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
