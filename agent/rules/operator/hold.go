// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

var holding = []rule.Rule{
	{
		ID:       "POL-04",
		Source:   source + "; draft-jain-sipping-persistent-conn-reqs version 01 section 9",
		Severity: rule.Violation,
		Fault:    "connection originator",
		Asks:     "One address holds no more persistent connections at a time than the max_connections of its row.",
		Broken:   "A peer holds more persistent connections than the policy allows",
		Silent:   "Rows without max_connections.",
		Standing: rule.ByPolicy,
		Check:    rule.Check{Only: rule.New, Response: tooMany},
	},
	{
		ID:       "POL-05",
		Source:   source,
		Severity: rule.Advice,
		Fault:    "request sender",
		Asks:     "A Persistent-Timeout lies between the min_timeout and max_timeout of its row.",
		Broken:   "A Persistent-Timeout is outside of the policy's bounds",
		Silent:   "Rows without these bounds.",
		Standing: rule.ByPolicy,
		Check:    rule.Check{Only: rule.New | rule.Reuse, Request: outOfBounds},
	},
	{
		ID:       "POL-06",
		Source:   source + "; draft-jain-sipping-persistent-conn-reqs version 01 section 9",
		Severity: rule.Violation,
		Fault:    "request sender",
		Asks:     "Only peers that may hold persistent connections offer them.",
		Broken:   "A peer that may not hold persistent connections offers one",
		Silent:   "Rows of class negotiated or persistent, unless max_connections is 0.",
		Standing: rule.ByPolicy,
		Check:    rule.Check{Only: rule.New | rule.Reuse, Request: unwanted},
	},
}

// state counts the persistent connections of each address within a row. It
// holds no more entries than there are connections.
type state struct{ held map[place]int }

type place struct {
	row  string
	addr netip.Addr
}

func placeOf(x *rule.Scene) place { return place{x.Conn.Row.Name, x.Conn.Remote.Addr()} }

// tooMany counts a connection once it is expected to last, which a final
// response may decide.
func tooMany(x *rule.Scene) {
	limit := x.Conn.Row.Persistent.MaxConnections
	if limit < 0 || !x.Conn.Stream() || !x.Conn.Open() || x.Verdict != transaction.Final {
		return
	}
	w := noted(x)
	if w.held || x.Expected(x.Conn, x.Now) != class.Persistent {
		return
	}
	w.held = true
	held := x.Mine.(*state).held
	held[placeOf(x)]++
	n := held[placeOf(x)]
	if n <= limit || limit == 0 {
		return // 0 is POL-06
	}
	why := fmt.Sprintf("%d persistent connections with %s, policy row %s: max_connections %d", n, x.Conn.Remote.Addr(), x.Conn.Row.Name, limit)
	x.Raise(x.Conn.Initiator, "%s", why)
	surplus(x, x.Now.Add(rest), why)
}

// surplus asks for the close of a connection that is too much, once it is at
// rest, and again as long as it stands.
func surplus(x *rule.Scene, at event.Time, why string) {
	if x.Conn.Row.Ephemeral.Close == policy.Never || x.Conn.Row.Enforce == policy.Observe {
		return
	}
	x.At(at, func(x *rule.Scene) {
		if !x.Conn.Open() {
			return
		}
		if due := x.Conn.LastMessage().Add(rest); due > x.Now {
			surplus(x, due, why)
			return
		}
		if !pending(x) {
			x.Wish(rule.Wish{Action: rule.Close, Hard: x.Conn.Row.Ephemeral.Close == policy.Hard, Reason: why})
		}
		surplus(x, x.Now.Add(rest), why)
	})
}

// rest is how long the last message must be over: 64*T1 (RFC 3261 section 18).
const rest = 32 * time.Second

func ended(x *rule.Scene) {
	if x.Conn.Notes == nil || !noted(x).held {
		return
	}
	noted(x).held = false
	held := x.Mine.(*state).held
	if held[placeOf(x)]--; held[placeOf(x)] <= 0 {
		delete(held, placeOf(x))
	}
}

func outOfBounds(x *rule.Scene) {
	p := &x.Conn.Row.Persistent
	if !x.Msg.PersistentTimeout.Valid || p.MinTimeout == 0 && p.MaxTimeout == 0 || x.Verdict != transaction.Fresh {
		return
	}
	asked := time.Duration(x.Msg.PersistentTimeout.N) * time.Second
	switch {
	case p.MinTimeout > 0 && asked < p.MinTimeout:
		x.Raise(x.Writer(), "Persistent-Timeout: %d; policy row %s: min_timeout %s", x.Msg.PersistentTimeout.N, x.Conn.Row.Name, p.MinTimeout)
	case p.MaxTimeout > 0 && asked > p.MaxTimeout:
		x.Raise(x.Writer(), "Persistent-Timeout: %d; policy row %s: max_timeout %s", x.Msg.PersistentTimeout.N, x.Conn.Row.Name, p.MaxTimeout)
	}
}

func unwanted(x *rule.Scene) {
	row := x.Conn.Row
	if row.Persistent.MaxConnections != 0 && row.Class != policy.Unidirectional && row.Class != policy.Bidirectional {
		return
	}
	if x.Tx == nil || x.Verdict != transaction.Fresh || !x.Tx.Offer.Persistent() || !x.Conn.Stream() || x.Writer() != x.Conn.Initiator {
		return
	}
	why := fmt.Sprintf("class %s", row.Class)
	if row.Persistent.MaxConnections == 0 {
		why = "max_connections 0"
	}
	why = fmt.Sprintf("%s offers persistent; policy row %s: %s", x.Msg.Label(), row.Name, why)
	x.Raise(x.Writer(), "%s", why)
	surplus(x, x.Now.Add(rest), why)
}
