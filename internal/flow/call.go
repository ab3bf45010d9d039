// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/viaduct-project/viaduct/internal/event"
)

// call is what one Call-ID stands for: two parties, of which party 0 began,
// and at most one dialog at a time.
type call struct {
	name   string
	id     string
	party  map[end]int
	first  event.Side // who sent the first request here
	tag    [2]string
	user   [2]string
	cseq   [2]int
	target [2]string   // Contact URI that each party gave
	routes [2][]string // route set, as each party has it
	dialog bool
	sure   bool // a 2xx made it
	ended  bool // BYE was sent
	failed string
}

// end is one side of a connection, or of a neighbour: a proxy has the same
// party of a call on the left of one hop and on the right of the next.
type end struct {
	conn   *Conn // or
	remote netip.Addr
	from   event.Side
}

func (b *builder) newCall(name string) *call {
	c := &call{name: name, party: make(map[end]int), user: [2]string{"alice", "bob"}}
	again := 0
	for _, old := range b.calls {
		if old.name == name {
			again++
		}
	}
	c.id = "call-" + name
	if again > 0 {
		c.id += fmt.Sprintf(".%d", again+1)
	}
	c.id += "@example.com"
	b.calls = append(b.calls, c)
	n := len(b.calls)
	c.tag = [2]string{fmt.Sprintf("a%d", n), fmt.Sprintf("b%d", n)}
	return c
}

// freeName is the next number that no call is named by.
func (b *builder) freeName() string {
	for {
		b.numbered++
		name := fmt.Sprint(b.numbered)
		if !slices.ContainsFunc(b.calls, func(c *call) bool { return c.name == name }) {
			return name
		}
	}
}

// partyOf says which party sends. On a new connection that is the party that
// this neighbour was before; a new neighbour is taken for the one that sent
// first in the same direction.
func (c *call) partyOf(conn *Conn, from event.Side) int {
	if p, ok := c.party[end{conn, netip.Addr{}, from}]; ok {
		return p
	}
	p, ok := c.party[end{nil, conn.Remote.Addr(), from}]
	if !ok {
		if len(c.party) == 0 {
			c.first = from
		}
		if c.first != from {
			p = 1
		}
	}
	c.meet(conn, from, p)
	return p
}

// meet notes that party p is on side from of conn.
func (c *call) meet(conn *Conn, from event.Side, p int) {
	c.party[end{conn, netip.Addr{}, from}] = p
	c.party[end{conn, netip.Addr{}, Other(from)}] = 1 - p
	if _, known := c.party[end{nil, conn.Remote.Addr(), from}]; !known {
		c.party[end{nil, conn.Remote.Addr(), from}] = p
		c.party[end{nil, conn.Remote.Addr(), Other(from)}] = 1 - p
	}
}

func (c *call) knows(conn *Conn) bool {
	_, ok := c.party[end{nil, conn.Remote.Addr(), event.Local}]
	return ok
}

// within are the methods that make sense in a dialog only, or belong to a
// subscription.
var within = []string{"BYE", "INFO", "UPDATE", "PRACK", "NOTIFY"}

// makes are the methods that make a dialog.
var makes = []string{"INVITE", "SUBSCRIBE", "REFER"}

// callOf returns the call of a new request: the named one; else the newest
// dialog with this neighbour; else the call of a request that was refused and
// is tried again; else a new one.
func (b *builder) callOf(st *Step, conn *Conn) *call {
	in := slices.Contains(within, st.What)
	if name, ok := option(st.Args, "call"); ok {
		for _, c := range slices.Backward(b.calls) {
			if c.name != name {
				continue
			}
			if c.ended && !in {
				break
			}
			return c
		}
		return b.newCall(name)
	}
	if st.What == "REGISTER" {
		return b.registration(st, conn)
	}
	for _, c := range slices.Backward(b.calls) {
		if c.knows(conn) && !c.registers() && (in || c.dialog && !c.ended) {
			return c
		}
	}
	for _, c := range slices.Backward(b.calls) {
		if !c.knows(conn) || c.registers() {
			continue
		}
		if c.failed == st.What && !c.ended && c.partyOf(conn, st.From) == 0 {
			return c
		}
		break
	}
	return b.newCall(b.freeName())
}

const registering = "register"

func (c *call) registers() bool { return strings.HasPrefix(c.name, registering) }

// registration is one per user and neighbour.
func (b *builder) registration(st *Step, conn *Conn) *call {
	name := registering
	if user, ok := option(st.Args, "user"); ok {
		name += "-" + user
	}
	for _, c := range slices.Backward(b.calls) {
		if p, ok := c.party[end{nil, conn.Remote.Addr(), st.From}]; ok && p == 0 && c.name == name {
			return c
		}
	}
	return b.newCall(name)
}
