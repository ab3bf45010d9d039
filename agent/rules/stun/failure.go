// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/sipparse"
)

func noteOf(c *fact.Conn) *talk { return note.Of[talk](c.Notes, note.STUN) }

var newAddress = rule.Rule{
	ID:       "STUN-05",
	Source:   "RFC 5626 sections 4.4.2, 8, 4.5",
	Severity: rule.Violation,
	Fault:    "client",
	Asks:     "A client whose XOR-MAPPED-ADDRESS changes treats the flow as failed and registers anew.",
	Broken:   "A client goes on using a flow whose mapped address has changed",
	Silent: "Until the new address was seen twice; addresses that go back and forth; clients that registered since, here " +
		"or on a new flow; flows without an agreement.",
	Check: rule.Check{Only: rule.New | rule.Datagram | rule.Beating, Beat: staysOn, Request: staysWithSIP},
}

func (a *asker) stays(x *rule.Scene) bool {
	return a.moved != 0 && !a.flaps && opened(x.Conn) == a.flows && !x.Conn.Incomplete
}

func staysOn(x *rule.Scene) {
	n := seen(x, keepalive.StunResponse)
	if n == nil || !n.msg.Success() || n.at == nil {
		return
	}
	a := n.askerOf(x)
	if b := x.Conn.Neg.Beats(opposite(x.Dir), x.Now); a.sure && a.stays(x) && b.Agreed() {
		x.Raise(x.Reader(), "mapped address %v, before %v, another keep-alive %v later", a.mapped, a.older, x.Now.Sub(a.moved).Round(time.Second))
	}
}

// goesOn returns the end that asks in x if it is a STUN client, nil otherwise.
func goesOn(x *rule.Scene) *asker {
	if x.Conn.Alive == nil || x.Verdict != transaction.Fresh || x.Conn.Stream() {
		return nil
	}
	n := noteOf(x.Conn)
	if n == nil {
		return nil
	}
	return &n.ends[index(x.Dir)]
}

func staysWithSIP(x *rule.Scene) {
	a := goesOn(x)
	if a == nil {
		return
	}
	if x.Msg.Method == sipparse.MethodRegister {
		a.moved, a.sure = 0, false
		return
	}
	const due = 30 * time.Second // the next keep-alive would be
	if b := x.Conn.Neg.Beats(x.Dir, x.Now); a.stays(x) && x.Now.Sub(a.moved) > due && b.Agreed() {
		x.Raise(x.Writer(), "mapped address %v, before %v, %v %v later", a.mapped, a.older, x.Msg.Label(), x.Now.Sub(a.moved).Round(time.Second))
	}
}

var deadFlow = rule.Rule{
	ID:       "STUN-09",
	Source:   "RFC 5626 sections 4.4.2, 8",
	Severity: rule.Info,
	Fault:    "client",
	Asks:     "A Binding error response, or no answer to any copy, means that the flow has failed.",
	Broken:   "SIP requests go on over a flow whose keep-alive failed",
	Silent: "Errors of class 5xx, which STUN itself may retry; clients that registered since, here or on a new flow; " +
		"flows that are not agreed by outbound (KEEP-30 judges keep).",
	Check: rule.Check{Only: rule.New | rule.Datagram | rule.Beating, Request: overDead},
}

func overDead(x *rule.Scene) {
	a := goesOn(x)
	if a == nil {
		return
	}
	if x.Msg.Method == sipparse.MethodRegister {
		a.refused = 0
		for i := range a.txs {
			a.txs[i].gone = true // what follows is about the new registration
		}
		return
	}
	if b := x.Conn.Neg.Beats(x.Dir, x.Now); !b.Required && !b.Path || x.Conn.Incomplete {
		return
	}
	t := a.newest(nil)
	switch {
	case t == nil || t.flows != opened(x.Conn):
	case a.refused != 0 && a.code/100 != 5:
		x.Raise(x.Writer(), "%v %v after error %d", x.Msg.Label(), x.Now.Sub(a.refused).Round(time.Second), a.code)
	case t.answers == 0 && !t.gone && x.Now.Sub(t.first) >= life:
		x.Raise(x.Writer(), "%v %v after a Binding request that got no answer", x.Msg.Label(), x.Now.Sub(t.first).Round(time.Second))
	}
}
