// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

const (
	// earlyLife is how long early dialogs last beside the one that a 2xx
	// confirmed: 64*T1, RFC 3261 section 13.2.2.4.
	earlyLife = 32 * time.Second
	// ringing is how long an INVITE may wait after a provisional response:
	// Timer C of a proxy and the CANCEL that it leads to.
	ringing = 3*time.Minute + 32*time.Second
)

// Reply is a response as the agreements look at it.
type Reply struct {
	At     event.Time
	Dir    event.Direction // of the request
	Offer  *Offer
	Msg    *message.Message
	State  *State // of the request's connection
	To     Neighbour
	Dialog uint64     // that Msg belongs to, 0 if to none
	Tx     uint64     // stands for the transaction
	Until  event.Time // end of the registration that Msg confirms, 0 if not known
}

// Answered takes a response to a request that offered keep, or that refreshes
// a registration.
func (tb *Agreements) Answered(r *Reply) {
	o, m := r.Offer, r.Msg
	value, ok := Value(&m.Via)
	ok = ok && o.KeepBare
	agreed := false
	switch {
	case m.Status <= 100:
		return
	case o.scope() == ScopeRegistration:
		agreed = tb.registered(r, value, ok)
	case o.scope() == ScopeDialog:
		agreed = tb.dialog(r, value, ok)
	}
	if r.State != nil && !agreed && m.Status >= 200 {
		r.State.declined(r.Dir, o)
	}
}

// registered is RFC 6223 section 4.2.2: each refresh negotiates anew, and only
// a 2xx decides.
func (tb *Agreements) registered(r *Reply, value uint32, ok bool) bool {
	if r.Msg.Status/100 != 2 {
		return false
	}
	a := tb.find(r.Offer.Binding, r.Dir, r.To)
	switch {
	case r.Offer.Leaves:
		if a != nil {
			tb.over(a, Unregistered, r.At)
		}
		return a != nil
	case !ok || r.State == nil:
		if a != nil {
			tb.over(a, NotRenewed, r.At)
		}
		return a != nil
	}
	fresh := a == nil
	if fresh {
		a = &Agreement{By: r.Dir, Scope: ScopeRegistration, First: r.At, key: r.Offer.Binding}
	} else if a.state != r.State {
		tb.move(a, r.State, r.At)
	}
	a.Since, a.Until, a.Seconds, a.to = r.At, r.Until, value, r.To
	a.From, a.FlowTimer, a.Renewing = r.Offer.Label, r.Msg.FlowTimer, 0
	if fresh {
		tb.add(a, r.State)
	} else {
		a.age.Join(&tb.held, a)
	}
	return true
}

// dialog is RFC 6223 sections 4.2.3 and 4.3: one response with a value is
// enough, for the dialog on which it came.
func (tb *Agreements) dialog(r *Reply, value uint32, ok bool) bool {
	m, o := r.Msg, r.Offer
	final, success := m.Status >= 200, m.Status/100 == 2
	forms := o.Label.Method == sipparse.MethodInvite && !o.InDialog
	agreed := false
	if a := tb.find(r.Dialog, r.Dir, r.To); a != nil && r.Dialog != 0 {
		agreed = true
		if ok && a.tx != r.Tx {
			o.Agreed = a
		}
		if a.early == r.Tx && success {
			a.early, a.Until, a.Since = 0, 0, r.At
		}
	} else if ok && r.Dialog != 0 && r.State != nil && (success || !final) {
		agreed = true
		a := &Agreement{By: r.Dir, Scope: ScopeDialog, Seconds: value, FlowTimer: m.FlowTimer, From: o.Label,
			First: r.At, Since: r.At, key: r.Dialog, to: r.To, tx: r.Tx}
		switch {
		case forms && !final:
			a.early, a.Until = r.Tx, r.At.Add(ringing)
		case o.Label.Method == sipparse.MethodSubscribe && m.Expires.Valid:
			a.Until = r.At.Add(time.Duration(m.Expires.N) * time.Second)
		}
		tb.add(a, r.State)
	}
	if final && forms && r.State != nil {
		return tb.settle(r, success) || agreed && success
	}
	return agreed
}

// settle ends the early dialogs of an INVITE, at once or, as there may be more
// 2xx from other forks, soon.
func (tb *Agreements) settle(r *Reply, success bool) (had bool) {
	for a := r.State.agreements.Last(); a != nil; {
		next := a.here.Prev()
		switch {
		case a.early != r.Tx:
		case success:
			a.Until = min(a.Until, r.At.Add(earlyLife))
			had = true
		default:
			tb.over(a, NotAccepted, r.At)
			had = true
		}
		a = next
	}
	return had
}

// declined notes a final answer without an agreement.
func (s *State) declined(d event.Direction, o *Offer) {
	k := &s.keep[index(d)]
	switch {
	case k.From != o.Label || k.call != o.Call || k.Answer != Pending:
	case o.KeepValued:
		k.Answer = Unproven
	case o.KeepBare:
		k.Answer = Refused
	}
}
