// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Requests that an authoritative proxy on this host sends to the bindings of
// an address-of-record.

// txNote is what the family notes about transactions.
type txNote struct {
	visit  *visit  // of a request that names a flow
	errand *errand // of a request that a proxy sends to bindings
	leg    *leg    // of one of its forks
}

// errand is a request that came to a proxy, with where the proxy sent it.
type errand struct{ legs []*leg }

// maxLegs is more than anybody has registrations.
const maxLegs = 32

// leg is one fork, towards one binding.
type leg struct {
	*errand
	to     *registration.Binding
	status int  // final, 0 if there was none
	over   bool // it has ended, timed out or was cancelled
}

// bound finds the one of the bindings that the request x goes to. They have one
// Contact URI: the flow or the Path tells them apart.
func bound(x *rule.Scene, all []*registration.Binding) *registration.Binding {
	if len(all) == 1 && all[0].Alive(x.Now) {
		return all[0]
	}
	var found *registration.Binding
	var addr uint64
	for i, b := range all {
		if i == 0 {
			addr, _ = route(x.Msg)
		}
		if !b.Alive(x.Now) || !(b.Direct && b.Over(x.Conn) || b.PathAddr != 0 && b.PathAddr == addr) {
			continue
		}
		if found != nil {
			return nil
		}
		found = b
	}
	return found
}

// targets are the bindings whose Contact is the Request-URI of a request
// outside dialogs that leaves this host.
func targets(x *rule.Scene) []*registration.Binding {
	if x.Dir != event.Out || x.Verdict != transaction.Fresh || !x.Bindings.Targets() || len(x.Msg.ToTag) > 0 {
		return nil
	}
	switch x.Msg.Method {
	case sipparse.MethodRegister, sipparse.MethodCancel:
		return nil
	}
	var u sipparse.URIParts
	if !target(x.Msg, &u) {
		return nil
	}
	return x.Bindings.ToURI(registration.URIOf(&u))
}

// forks notes where a proxy sends a request: bookkeeping of the family.
func forks(x *rule.Scene, all []*registration.Binding) {
	b := bound(x, all)
	if b == nil || x.Tx.Upstream() == nil || b.Forwarded {
		return
	}
	up := note.On[txNote](&x.Tx.Upstream().Notes, note.Outbound)
	if up.errand == nil {
		up.errand = new(errand)
	}
	if len(up.errand.legs) >= maxLegs {
		return
	}
	l := &leg{errand: up.errand, to: b}
	up.errand.legs = append(up.errand.legs, l)
	note.On[txNote](&x.Tx.Notes, note.Outbound).leg = l
}

// cancels: a fork that was cancelled awaits no answer of the instance.
func cancels(x *rule.Scene) {
	if x.Msg.Method != sipparse.MethodCancel || x.Dir != event.Out || !x.Bindings.Targets() {
		return
	}
	for tx := range x.Txs.Find(transaction.Key{Hash: x.Tx.Key.Hash, Method: sipparse.MethodInvite}) {
		if l := legOf(tx); l != nil {
			l.over = true
		}
	}
}

func forkEnds(x *rule.Scene) {
	if x.Dir != event.In || x.Verdict != transaction.Final {
		return
	}
	if l := legOf(x.Tx); l != nil {
		l.over, l.status = true, x.Msg.Status
	}
}

func forkTimesOut(x *rule.Scene) {
	if l := legOf(x.Tx); l != nil {
		l.over = true
	}
}

func legOf(tx *transaction.Transaction) *leg {
	if tx == nil || tx.Notes == nil {
		return nil
	}
	if n := note.Of[txNote](tx.Notes, note.Outbound); n != nil {
		return n.leg
	}
	return nil
}

// mates yields the other forks of x's request to the same instance under the
// same address-of-record, by another binding.
func mates(x *rule.Scene, yield func(mine, other *leg)) {
	if x.Dir != event.Out || x.Verdict != transaction.Fresh {
		return
	}
	mine := legOf(x.Tx)
	if mine == nil {
		return
	}
	for _, other := range mine.legs {
		if other != mine && other.to != mine.to && sibling(other.to, mine.to) {
			yield(mine, other)
		}
	}
}

// sibling says whether two bindings are of one instance and user, on one hop.
func sibling(a, b *registration.Binding) bool {
	return a != b && a.AOR == b.AOR && a.Contact.Instance == b.Contact.Instance && a.Contact.Instance != 0 &&
		a.Dir == b.Dir && a.NetNS == b.NetNS
}
