// SPDX-License-Identifier: Apache-2.0

package persistent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

var swamping = rule.Rule{
	ID:       "PERS-20",
	Source:   draft + "01 section 7, 02 and 03 section 5",
	Severity: rule.Advice,
	Fault:    "connecting side",
	Asks:     "A side that opens connections freely does not swamp one that is sparing.",
	Broken:   "More connections are opened in a minute than the configuration allows",
	Silent:   "Unless the configuration sets a number. Connections without a request do not count: they are probes.",
	Standing: rule.ByPolicy,
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.New | rule.Beginning, Request: opensMany},
}

var selected = rule.Rule{
	ID:       "PERS-25",
	Source:   draft + "01 section 9",
	Severity: rule.Advice,
	Fault:    "acceptor",
	Asks:     "Persistent connections are kept for a chosen few: whoever accepts any can be run out of resources.",
	Broken:   "A peer holds more persistent connections than the configuration allows",
	Silent:   "Unless the configuration sets a number. A connection counts once it stood for 32 s after the offer.",
	Standing: rule.ByPolicy,
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.New | rule.Reuse, Request: keepsMany, Closed: letsGo},
}

// minute counts the connections of one side in one minute.
type minute struct {
	since event.Time
	n     [3]int // by the side that opened
}

// opensMany counts a connection at its first request.
func opensMany(x *rule.Scene) {
	most := x.Profile.Swamping.PerMinute
	c := x.Conn
	if most == 0 || !c.Stream() || c.Sent.N+c.Received.N != 1 || x.Verdict != transaction.Fresh || c.MidLife || c.Initiator == event.Unknown {
		return
	}
	m := x.Mine.(*mind)
	r := m.rate[c.Remote.Addr()]
	if r == nil {
		room(m, m.rate)
		r = new(minute)
		m.rate[c.Remote.Addr()] = r
	}
	if x.Now.Sub(r.since) >= time.Minute {
		*r = minute{since: x.Now}
	}
	if r.n[c.Initiator]++; r.n[c.Initiator] > most {
		x.Raise(c.Initiator, "%d connections within a minute, %d allowed", r.n[c.Initiator], most)
	}
}

// keepsMany looks at the connection again when its offer is honoured, if it is.
func keepsMany(x *rule.Scene) {
	most := x.Profile.MaxPersistent
	if most == 0 || x.Conn.Initiator != event.Remote || offering(x) == nil || x.Conn.Neg.Persistent.At != x.Now {
		return
	}
	m := x.Mine.(*mind)
	x.After(negotiate.Linger+time.Second, func(x *rule.Scene) {
		c := x.Conn
		l := linkOf(c)
		if l.kept || !c.Open() || c.Neg.Persistent.Outcome(x.Now, false) != negotiate.Honoured {
			return
		}
		l.kept = true
		room(m, m.kept)
		peer := c.Remote.Addr()
		if m.kept[peer]++; m.kept[peer] > most {
			x.Raise(event.Local, "%d persistent connections of %s, %d allowed", m.kept[peer], peer, most)
		}
	})
}

func letsGo(x *rule.Scene) {
	if x.Profile.MaxPersistent == 0 || x.Conn.PersistentBy() != event.Remote {
		return
	}
	m := x.Mine.(*mind)
	if l := linkOf(x.Conn); l.kept {
		l.kept = false
		if peer := x.Conn.Remote.Addr(); m.kept[peer] > 1 {
			m.kept[peer]--
		} else {
			delete(m.kept, peer)
		}
	}
}
