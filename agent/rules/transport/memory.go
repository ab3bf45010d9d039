// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"maps"
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

// memory is what the family knows beyond one connection.
type memory struct {
	since    event.Time                // of the first message seen
	refused  recent[place, event.Time] // connects that were answered by a reset
	connects recent[place, event.Time] // connects that were tried
	serves   recent[place, event.Time] // where a neighbour answered requests by UDP
	told     recent[place, *fact.Conn] // sent-by of a request that a neighbour sent over a stream
	sentBy   recent[uint64, struct{}]  // that this host used
	last     uint64                    // of sentBy
	branches *[branchSlots]branch      // of the newest requests, nil before the first
}

// place is where something may be reached, seen from a network namespace.
type place struct {
	netns uint64
	netip.AddrPort
}

func newMemory() *memory { return new(memory) }

// recentLimit bounds each map of the memory.
const recentLimit = 100_000

// recent is a map of what happened a moment ago. When it is full what is of no
// use any more goes, and everything if that is not half of it.
type recent[K comparable, V any] struct {
	m         map[K]V
	Forgotten uint64
}

func (r *recent[K, V]) put(k K, v V, useful func(V) bool) {
	if r.m == nil {
		r.m = make(map[K]V)
	}
	if _, known := r.m[k]; !known && len(r.m) >= recentLimit {
		maps.DeleteFunc(r.m, func(_ K, v V) bool { return !useful(v) })
		if len(r.m) > recentLimit/2 {
			r.Forgotten += uint64(len(r.m))
			clear(r.m)
		}
	}
	r.m[k] = v
}

// since says of times whether they are not older than a transaction lives.
func since(now event.Time) func(event.Time) bool {
	return func(t event.Time) bool { return ago(now, t) }
}

func forgotten(m any) uint64 {
	mem := m.(*memory)
	return mem.refused.Forgotten + mem.connects.Forgotten + mem.serves.Forgotten + mem.told.Forgotten + mem.sentBy.Forgotten
}

// mark is what the family notes about a connection.
type mark struct {
	broken bool          // its framing failed
	busy   bool          // a 503 was sent on it
	lead   [2]event.Time // CRLF that came before the first message, by direction
	left   [2]event.Time // a 2xx confirmed that the sender's bindings are removed, by direction of the REGISTER
}

func markOf(c *fact.Conn) *mark { return note.On[mark](&c.Notes, note.Transport) }

func index(d event.Direction) int { return int(d - event.In) }

var watch = rule.Check{
	Opened: func(x *rule.Scene) {
		if x.Conn.Initiator == event.Local && x.Conn.Stream() && !x.Conn.MidLife {
			mine(x).connects.put(target(x.Conn), x.Now, since(x.Now))
		}
	},
	Closed: func(x *rule.Scene) {
		if x.Conn.Failed && x.Conn.Initiator == event.Local {
			mine(x).connects.put(target(x.Conn), x.Now, since(x.Now))
			if x.Conn.How == event.Refused {
				mine(x).refused.put(target(x.Conn), x.Now, since(x.Now))
			}
		}
	},
	Defect: func(x *rule.Scene) {
		if x.Conn.Stream() {
			markOf(x.Conn).broken = true
		}
	},
	Request: func(x *rule.Scene) {
		m := mine(x)
		if m.since == 0 {
			m.since = x.Now
		}
		if x.Dir == event.Out && x.Verdict == transaction.Fresh {
			m.learn(x)
		}
	},
	Response: func(x *rule.Scene) {
		if m := mine(x); m.since == 0 {
			m.since = x.Now
		}
		switch {
		case x.Msg.Status == 503:
			markOf(x.Conn).busy = true
		case x.Msg.Status/100 == 2 && x.Tx != nil && x.Tx.Binds != nil && removesAll(x.Tx.Binds):
			markOf(x.Conn).left[index(x.Tx.Dir)] = x.Now
		}
	},
}

// removesAll says whether a REGISTER removes bindings and makes none: who sends
// it is about to go.
func removesAll(r *registration.Request) bool {
	for i := range r.Contacts {
		if !r.Removes(&r.Contacts[i]) {
			return false
		}
	}
	return len(r.Contacts) > 0
}

func mine(x *rule.Scene) *memory { return x.Mine.(*memory) }

// target is where c was opened to.
func target(c *fact.Conn) place { return place{c.NetNS, c.Remote} }

// ago says whether t is at most as long ago as a transaction lives.
func ago(now, t event.Time) bool { return t != 0 && now.Sub(t) <= transaction.Timeout }
