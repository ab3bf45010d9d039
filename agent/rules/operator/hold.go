// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
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
		Check:    rule.Check{Only: rule.New, Response: tooMany, Placed: recounted},
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
		Check:    rule.Check{Only: rule.New | rule.Reuse, Request: unwanted, Placed: unwantedNow},
	},
}

// state has the persistent connections of each address within a row, in the
// order in which they were counted first. It holds no more entries than there
// are connections.
type state struct {
	held map[place][]turn
	last uint64 // count
}

type place struct {
	row  *policy.Peer // of one policy: another one counts anew
	addr netip.Addr
}

// turn orders connections. Those that a policy begins to count together have
// the same count, and are in the order in which they were met.
type turn struct{ count, conn uint64 }

func (t turn) compare(u turn) int {
	return cmp.Or(cmp.Compare(t.count, u.count), cmp.Compare(t.conn, u.conn))
}

// rank is the number of connections up to this one.
func (s *state) rank(p place, t turn) int {
	at, _ := slices.BinarySearchFunc(s.held[p], t, turn.compare)
	return at + 1
}

func (s *state) enter(p place, t turn) {
	at, _ := slices.BinarySearchFunc(s.held[p], t, turn.compare)
	s.held[p] = slices.Insert(s.held[p], at, t)
}

func (s *state) leave(p place, t turn) {
	all := s.held[p]
	if at, found := slices.BinarySearchFunc(all, t, turn.compare); found {
		all = slices.Delete(all, at, at+1)
	}
	if len(all) == 0 {
		delete(s.held, p)
		return
	}
	s.held[p] = all
}

// hold counts the connection in the row that it has now.
func hold(x *rule.Scene) {
	w, s := noted(x), x.Mine.(*state)
	if w.turn == (turn{}) {
		w.turn = turn{s.last, x.Conn.ID}
	}
	w.held = place{x.Conn.Row, x.Conn.Remote.Addr()}
	s.enter(w.held, w.turn)
}

// tooMany counts a connection once it is expected to last, which a final
// response may decide.
func tooMany(x *rule.Scene) {
	limit := x.Conn.Row.Persistent.MaxConnections
	if limit < 0 || !x.Conn.Stream() || !x.Conn.Open() || x.Verdict != transaction.Final {
		return
	}
	if noted(x).held != (place{}) || x.Expected(x.Conn, x.Now) != class.Persistent {
		return
	}
	x.Mine.(*state).last++
	hold(x)
	if why := beyond(x); why != "" {
		noted(x).surplus = true
		x.Raise(x.Conn.Initiator, "%s", why)
		surplus(x, x.Now.Add(rest), beyond)
	}
}

// beyond says that the connection is one too many; "" if it is not. Those that
// were counted first stay.
func beyond(x *rule.Scene) string {
	limit, w, s := x.Conn.Row.Persistent.MaxConnections, noted(x), x.Mine.(*state)
	if limit <= 0 || w.held == (place{}) || s.rank(w.held, w.turn) <= limit { // 0 is POL-06
		return ""
	}
	return fmt.Sprintf("%d persistent connections with %s, policy row %s: max_connections %d",
		len(s.held[w.held]), x.Conn.Remote.Addr(), x.Conn.Row.Name, limit)
}

// recounted moves a connection to the row that it has now. Which ones are too
// many there is known when all have been moved.
func recounted(x *rule.Scene) {
	if !x.Conn.Stream() || !x.Conn.Open() {
		return
	}
	counted := x.Conn.Notes != nil && noted(x).held != (place{})
	ended(x)
	if x.Conn.Row.Persistent.MaxConnections < 0 || x.Expected(x.Conn, x.Now) != class.Persistent {
		return
	}
	if !counted && (x.Conn.LastMessage() == 0 || pending(x)) {
		return // the response will tell
	}
	hold(x)
	surplus(x, x.Now.Add(rest), func(x *rule.Scene) string {
		why := beyond(x)
		if why != "" && !noted(x).surplus {
			noted(x).surplus = true
			x.Raise(x.Conn.Initiator, "%s", why)
		}
		return why
	})
}

// surplus asks for the close of a connection that is too much, once it is at
// rest, and again as long as it stands and there is a reason. Another row for
// the connection ends that: its own checks begin anew.
func surplus(x *rule.Scene, at event.Time, reason func(*rule.Scene) string) {
	row := x.Conn.Row
	x.At(at, func(x *rule.Scene) {
		if !x.Conn.Open() || x.Conn.Row != row {
			return
		}
		if due := x.Conn.LastMessage().Add(rest); due > x.Now {
			surplus(x, due, reason)
			return
		}
		why := reason(x)
		if why == "" {
			return
		}
		if row.Ephemeral.Close != policy.Never && !pending(x) {
			then := *x
			x.Wish(rule.Wish{
				Action: rule.Close, Hard: row.Ephemeral.Close == policy.Hard, Reason: why,
				Stands: func() bool { return then.Conn.Row == row && reason(&then) != "" },
			})
		}
		if row.Ephemeral.Close != policy.Never && row.Enforce != policy.Observe {
			surplus(x, x.Now.Add(rest), reason)
		}
	})
}

// rest is how long the last message must be over: 64*T1 (RFC 3261 section 18).
const rest = 32 * time.Second

func ended(x *rule.Scene) {
	if x.Conn.Notes == nil {
		return
	}
	if w := noted(x); w.held != (place{}) {
		x.Mine.(*state).leave(w.held, w.turn)
		w.held = place{}
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
	if x.Tx == nil || x.Verdict != transaction.Fresh || !x.Tx.Offer.Persistent() || !x.Conn.Stream() || x.Writer() != x.Conn.Initiator {
		return
	}
	w := noted(x)
	w.offers = fmt.Sprintf("%s offers persistent", x.Msg.Label())
	if why := unasked(x); why != "" {
		x.Raise(x.Writer(), "%s", why)
		surplus(x, x.Now.Add(rest), unasked)
	}
}

// unasked says that the connection was offered as a persistent one, where its
// row has none; "" if not.
func unasked(x *rule.Scene) string {
	row := x.Conn.Row
	offers := noted(x).offers
	switch {
	case offers == "":
		return ""
	case row.Persistent.MaxConnections == 0:
		return fmt.Sprintf("%s; policy row %s: max_connections 0", offers, row.Name)
	case row.Class == policy.Unidirectional || row.Class == policy.Bidirectional:
		return fmt.Sprintf("%s; policy row %s: class %s", offers, row.Name, row.Class)
	}
	return ""
}

// unwantedNow looks again at what was offered when the row was another one.
func unwantedNow(x *rule.Scene) {
	if x.Conn.Notes == nil || !x.Conn.Open() {
		return
	}
	if why := unasked(x); why != "" {
		x.Raise(x.Conn.Initiator, "%s", why)
		surplus(x, x.Now.Add(rest), unasked)
	}
}
