// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"time"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var idling = []rule.Rule{{
	ID:       "POL-02",
	Source:   source,
	Severity: rule.Advice,
	Fault:    "both sides",
	Asks:     "An ephemeral connection that carries nothing is closed after the idle_timeout of its row.",
	Broken:   "An ephemeral connection idles for longer than the policy allows",
	Silent:   "Persistent connections and outbound flows, connections with a transaction pending, and rows without idle_timeout.",
	Standing: rule.ByPolicy,
	Check:    rule.Check{Placed: watchIdle},
}}

// again is when a connection that could not be closed is looked at once more.
const again = time.Minute

// watch is what the family notes about a connection.
type watch struct {
	timer     int    // of the idle timer, the newest is in force
	protected bool   // protection was asked for
	surplus   bool   // it was raised that it is one too many
	held      place  // where it counts as persistent
	turn      turn   // of being counted
	offers    string // which request offered it as a persistent one
}

func noted(x *rule.Scene) *watch { return note.On[watch](&x.Conn.Notes, note.Policy) }

// watchIdle sets the idle timer of a connection for the row it has now.
func watchIdle(x *rule.Scene) {
	if x.Conn.Row.Ephemeral.IdleTimeout == 0 || !x.Conn.Stream() || !x.Conn.Open() {
		return
	}
	w := noted(x)
	w.timer++
	idleAt(x, x.Now.Add(x.Conn.Row.Ephemeral.IdleTimeout), w.timer)
}

func idleAt(x *rule.Scene, at event.Time, timer int) {
	x.At(at, func(x *rule.Scene) {
		if noted(x).timer == timer && x.Conn.Open() && x.Conn.Row.Ephemeral.IdleTimeout > 0 {
			idleUntil(x, timer)
		}
	})
}

// idleUntil looks whether the time has come, and else waits for it.
func idleUntil(x *rule.Scene, timer int) {
	c, e := x.Conn, &x.Conn.Row.Ephemeral
	last := max(c.LastIn, c.LastOut, c.OpenedAt, c.First)
	if due := last.Add(e.IdleTimeout); due > x.Now {
		idleAt(x, due, timer)
		return
	}
	idleAt(x, x.Now.Add(again), timer)
	if x.Expected(c, x.Now) == class.Persistent || pending(x) {
		return
	}
	why := fmt.Sprintf("idle for %s, policy row %s: idle_timeout %s", seconds(x.Now.Sub(last)), c.Row.Name, e.IdleTimeout)
	x.Raise(event.Unknown, "%s", why)
	if e.Close != policy.Never {
		x.Wish(rule.Wish{Action: rule.Close, Hard: e.Close == policy.Hard, Idle: e.IdleTimeout, Reason: why})
	}
}

// pending says whether a transaction is under way.
func pending(x *rule.Scene) bool {
	txs, _ := x.Ends(x.Conn)
	return txs.Pending(x.Now) > 0
}
