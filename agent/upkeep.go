// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"container/heap"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// upkeep is a connection that viaduct keeps alive for its program.
type upkeep struct {
	assist.Flow
	conn    *connection
	at      event.Time // when to look at it
	slot    int32      // in the agenda, -1 if it is not there
	refused bool       // writing into its stream was
	stuck   bool       // the stream has not stood between two messages for long, or what stood there was lost
	heard   event.Time // newest SIP message of the peer
	newest  event.Time // newest datagram of viaduct's on the flow, either way
}

// agenda is a heap: what is to be looked at next is first.
type agenda []*upkeep

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].slot, a[j].slot = int32(i), int32(j)
}

func (a *agenda) Push(x any) {
	u := x.(*upkeep)
	u.slot = int32(len(*a))
	*a = append(*a, u)
}

func (a *agenda) Pop() any {
	old := *a
	u := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	u.slot = -1
	return u
}

// plan has u looked at when it says, if that is ever.
func (c *Core) plan(u *upkeep) {
	switch at := u.At(); {
	case at == 0:
		c.unplan(u)
	case u.slot < 0:
		u.at = at
		heap.Push(&c.beats, u)
	case at != u.at:
		u.at = at
		heap.Fix(&c.beats, int(u.slot))
	}
}

func (c *Core) unplan(u *upkeep) {
	if u.slot >= 0 {
		heap.Remove(&c.beats, int(u.slot))
	}
}

// review looks whether conn is owed keep-alives that the policy may have sent:
// whenever something was agreed, or ended, or when its row is another one.
func (c *Core) review(conn *connection, t event.Time) {
	u := conn.upkeep
	terms, ok := c.owed(conn, t)
	if !ok {
		if u != nil {
			u.Pause(t)
			c.unplan(u)
		}
		return
	}
	if u == nil {
		u = &upkeep{conn: conn, slot: -1}
		conn.upkeep = u
		if conn.Alive != nil { // what the program sent so far
			u.Sent(conn.Alive.Sent(event.Out))
		}
		if r := conn.rested; r != nil {
			u.Resume(r)
			conn.rested = nil
			if terms, ok = c.owed(conn, t); !ok {
				return
			}
		}
	}
	p := c.program(conn, false)
	u.Begin(terms, t, c.rand)
	if u.stuck {
		_, err := conn.boundary(t)
		u.stuck = err == errInside
	}
	u.Method, u.Why = assist.Choose(conn.Row.Keepalive.Method, &assist.Facts{
		Transport: conn.Transport, Offers: conn.Neg.Offers(event.Out), Pings: conn.pings(), Program: p, Refused: u.refused,
		Blind: u.stuck || conn.MidLife && conn.LastSIP[index(event.Out)] == 0,
	})
	if u.Method != assist.TCP && conn.Row.Enforce == policy.Enforce {
		c.writes = true
	}
	c.plan(u)
}

// owed is what viaduct may send for conn's program at t.
func (c *Core) owed(conn *connection, t event.Time) (terms assist.Terms, ok bool) {
	k := &conn.Row.Keepalive
	if k.Inject == policy.InjectNever || conn.Row.Enforce == policy.Observe || !conn.Open() || conn.Sideless {
		return terms, false
	}
	var past assist.Past
	if u := conn.upkeep; u != nil {
		past = assist.Past{Last: u.Last, Stopped: u.StoppedAt(), Heard: u.heard > u.StoppedAt()}
	}
	terms, ok = assist.Owed(conn.Neg, conn.Stream(), k, past, t)
	if ok && terms.Basis == assist.ByPolicy && conn.Transport != event.TLS && conn.Messages == (report.Messages{}) {
		return terms, false // it may not carry SIP at all
	}
	return terms, ok
}

// program is what is remembered of conn's program; nil if that is nothing, and
// nothing is to be.
func (c *Core) program(conn *connection, remember bool) *assist.Program {
	name := conn.programName()
	if remember {
		return c.programs.Make(name)
	}
	return c.programs.Get(name)
}

func (conn *connection) programName() assist.Name {
	n := assist.Name{Name: conn.owner().Name}
	if inside := conn.container(); inside != nil {
		n.Container = inside.ID
	}
	return n
}

// pings says whether the program has sent pings on this stream.
func (conn *connection) pings() bool {
	return conn.Stream() && conn.Alive != nil && conn.Alive.Sent(event.Out).Pings > 0
}

// reviewAfter is review for a message that went in direction d, with what it
// shows of the program. Where nobody is kept alive it costs a comparison.
func (c *Core) reviewAfter(conn *connection, d event.Direction, t event.Time) {
	if conn.Row.Keepalive.Inject == policy.InjectNever {
		return
	}
	if u := conn.upkeep; u != nil && d == event.In {
		u.heard = t
		u.Heard()
	}
	if conn.Neg.Offers(event.Out) && conn.owner().Name != "" {
		c.program(conn, true).Offers = true
	}
	c.review(conn, t)
}

// assisted notes a keep-alive of the program's own.
func (c *Core) assisted(conn *connection, t event.Time) {
	if conn.Row.Keepalive.Inject == policy.InjectNever {
		return
	}
	if conn.Stream() && conn.owner().Name != "" {
		c.program(conn, true).Pings = true
	}
	if u := conn.upkeep; u != nil {
		c.countKept(u, u.Beat(t))
	}
}
