// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/internal/event"
)

// A server that ends closes its connections and then gives up its listeners,
// or the other way round. So what the checks raise about an end that this host
// made waits for a while, and is dropped if a listener that belongs to it is
// closed in that time. Where no listeners are known, as in a capture file,
// there is nothing to wait for.

// orderlyWait is how long after its connections a process may take to give up
// its listeners: the parts of a server end one after the other.
const orderlyWait = 5 * time.Second

// maxLeaving bounds what waits. Beyond it the oldest is decided early.
const maxLeaving = 20_000

// leaving is an end that this host made, or something raised about it.
type leaving struct {
	conn  *fact.Conn
	until event.Time
	raise func() // nil for the end itself
}

// leaves says whether c was ended by this host, and may yet prove to have ended
// because its process does.
func (e *Engine) leaves(c *fact.Conn) bool {
	l := e.World.Listeners
	return c.By == event.Local && !c.Exiting && !c.Failed && !c.ByAgent && l != nil && l.Known(c.NetNS)
}

// hold lets raise wait; without it only what is known of the end does.
func (e *Engine) hold(c *fact.Conn, now event.Time, raise func()) {
	if len(e.leaving) >= maxLeaving {
		e.decideOldest()
	}
	e.leaving = append(e.leaving, leaving{c, now.Add(orderlyWait), raise})
}

func (e *Engine) decideOldest() {
	oldest := e.leaving[0]
	e.leaving[0] = leaving{}
	if e.leaving = e.leaving[1:]; len(e.leaving) == 0 {
		e.leaving = nil
	}
	if oldest.raise != nil && !oldest.conn.Exiting {
		oldest.raise()
	}
}

// decide raises what has waited for long enough at now.
func (e *Engine) decide(now event.Time) {
	for len(e.leaving) > 0 && e.leaving[0].until <= now {
		e.decideOldest()
	}
}

// GaveUp tells that a listener was closed at time at: connections that this
// host ended shortly before for the same process are part of its end.
func (e *Engine) GaveUp(g *fact.Gone, at event.Time) {
	for i := range e.leaving {
		if l := &e.leaving[i]; at < l.until && g.Owns(l.conn) {
			l.conn.Exiting = true
		}
	}
}

// Finish raises what waits, as nothing more will come that could excuse it.
func (e *Engine) Finish() {
	for len(e.leaving) > 0 {
		e.decideOldest()
	}
}
