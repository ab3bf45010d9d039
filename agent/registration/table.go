// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"container/heap"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// usual is how long a binding lasts if nobody says (RFC 3261 section 10.2.1.1).
const usual = 3600

// Table holds at most Limit bindings; beyond that the one that runs out next
// is dropped.
type Table struct {
	Limit   int
	Evicted uint64
	// Listed are the contacts of the newest 2xx to a REGISTER: all bindings of
	// the address-of-record. They are valid while that response is looked at.
	Listed []Contact
	// Changed are the bindings that the newest 2xx made, renewed or ended.
	Changed []*Binding

	byKey   map[Key]*Binding
	byAOR   index[uint64]
	byFlow  index[flow]
	byURI   index[uint64]
	byPlace index[netip.AddrPort]
	ends    byEnd
}

// New returns an empty table.
func New(limit int) *Table {
	return &Table{
		Limit: limit, byKey: make(map[Key]*Binding), byAOR: make(index[uint64]), byFlow: make(index[flow]),
		byURI: make(index[uint64]), byPlace: make(index[netip.AddrPort]),
	}
}

// Len is the number of bindings held.
func (tb *Table) Len() int { return len(tb.byKey) }

// Find returns the binding, or nil.
func (tb *Table) Find(k Key) *Binding { return tb.byKey[k] }

// Of returns the bindings of the address-of-record on all hops, Over those made
// last over the flow. ToURI and ToPlace return by Contact those that were made
// through this host, as seen on the hop where their REGISTER came in, and that
// have an instance. The slices are the table's.
func (tb *Table) Of(aor uint64) []*Binding                { return tb.byAOR[aor] }
func (tb *Table) Over(c *fact.Conn) []*Binding            { return tb.byFlow[flowOf(c)] }
func (tb *Table) ToURI(uri uint64) []*Binding             { return tb.byURI[uri] }
func (tb *Table) ToPlace(place netip.AddrPort) []*Binding { return tb.byPlace[place] }

// Targets says whether ToURI and ToPlace have anything at all.
func (tb *Table) Targets() bool { return len(tb.byURI) > 0 }

// KeyOf is the key of c as r asks for it on a connection of the namespace.
func KeyOf(r *Request, c *Contact, netns uint64) Key {
	k := Key{NetNS: netns, AOR: r.AOR, Dir: r.Dir, Direct: r.Direct}
	if c.Outbound() {
		k.Instance, k.RegID = c.Instance, c.RegID.N
	} else {
		k.URI = c.URI
	}
	return k
}

// Answered takes the 2xx m to r, which went over conn.
func (tb *Table) Answered(r *Request, conn *fact.Conn, m *message.Message, t event.Time) {
	tb.Changed = tb.Changed[:0]
	tb.list(m)
	for i := range r.Contacts {
		c := &r.Contacts[i]
		switch {
		case c.Wildcard:
			tb.removeAll(r, conn.NetNS)
		case r.Removes(c):
			if b := tb.byKey[KeyOf(r, c, conn.NetNS)]; b != nil {
				tb.end(b)
			}
		default:
			tb.bind(r, c, conn, m, t)
		}
	}
}

func (tb *Table) list(m *message.Message) {
	tb.Listed = tb.Listed[:0]
	var p sipparse.Parser
	if _, err := p.Start(m.Head); err != nil {
		return
	}
	for p.Next() {
		if h := p.Field(); h.ID == sipparse.HeaderContact {
			tb.Listed = contacts(tb.Listed, h)
		}
	}
}

func (tb *Table) bind(r *Request, c *Contact, conn *fact.Conn, m *message.Message, t event.Time) {
	k := KeyOf(r, c, conn.NetNS)
	until := t.Add(time.Duration(tb.granted(r, c, m)) * time.Second)
	if until <= t {
		return
	}
	b := tb.byKey[k]
	if b != nil {
		tb.unlink(b)
		if !b.Over(conn) {
			b.Before, b.Moved = b.Conn, t
		}
	} else {
		if len(tb.byKey) >= tb.Limit && len(tb.ends) > 0 {
			tb.Evicted++
			tb.remove(tb.ends[0])
		}
		b = &Binding{Key: k, Made: t}
		tb.byKey[k] = b
		heap.Push(&tb.ends, b)
	}
	b.Contact, b.Call, b.PathAddr, b.Conn, b.Refreshed, b.Until = *c, r.Call, r.PathAddr, conn, t, until
	b.Forwarded = r.Forwarded
	b.Offered = c.Outbound() && r.Supported&message.Outbound != 0
	b.Outbound = b.Offered && m.Require&message.Outbound != 0
	heap.Fix(&tb.ends, b.heap)
	tb.link(b)
	tb.Changed = append(tb.Changed, b)
}

// granted is how many seconds the registrar gave c: what its own copy of the
// contact says, else the Expires header field, else what was asked for.
func (tb *Table) granted(r *Request, c *Contact, m *message.Message) uint32 {
	for i := range tb.Listed {
		l := &tb.Listed[i]
		same := l.URI == c.URI && (!c.Outbound() || !l.Outbound() || l.Instance == c.Instance && l.RegID.N == c.RegID.N)
		if same && l.Expires.Valid {
			return l.Expires.N
		}
	}
	if m.Expires.Valid {
		return m.Expires.N
	}
	if n, ok := r.Seconds(c); ok {
		return n
	}
	return usual
}

// target says whether requests for b that leave this host are to be told by
// its Contact.
func (b *Binding) target() bool { return b.Dir == event.In && b.Contact.Instance != 0 }

func (tb *Table) link(b *Binding) {
	tb.byAOR.add(b.AOR, b)
	tb.byFlow.add(flowOf(b.Conn), b)
	if b.target() {
		tb.byURI.add(b.Contact.URI, b)
		if b.Contact.Place.IsValid() {
			tb.byPlace.add(b.Contact.Place, b)
		}
	}
}

func (tb *Table) unlink(b *Binding) {
	tb.byAOR.remove(b.AOR, b)
	tb.byFlow.remove(flowOf(b.Conn), b)
	if b.target() {
		tb.byURI.remove(b.Contact.URI, b)
		tb.byPlace.remove(b.Contact.Place, b)
	}
}

func (tb *Table) remove(b *Binding) {
	b.Gone = true
	tb.unlink(b)
	heap.Remove(&tb.ends, b.heap)
	delete(tb.byKey, b.Key)
}

func (tb *Table) end(b *Binding) {
	b.Ended = true
	tb.remove(b)
	tb.Changed = append(tb.Changed, b)
}

func (tb *Table) removeAll(r *Request, netns uint64) {
	all := tb.byAOR[r.AOR]
	for i := len(all) - 1; i >= 0; i-- {
		b := all[i]
		if b.Dir == r.Dir && b.Direct == r.Direct && b.NetNS == netns {
			tb.end(b)
			all = tb.byAOR[r.AOR]
		}
	}
}

// Expire drops the bindings that have run out.
func (tb *Table) Expire(now event.Time) {
	for len(tb.ends) > 0 && tb.ends[0].Until <= now {
		tb.remove(tb.ends[0])
	}
}
