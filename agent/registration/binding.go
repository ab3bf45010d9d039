// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Key is what a binding is known by on one hop: by RFC 5626 section 6 the
// instance and the reg-id where a contact has both, else its URI (RFC 3261
// section 10.3).
type Key struct {
	NetNS    uint64
	AOR      uint64
	Instance uint64 // 0 if URI decides
	URI      uint64 // 0 if Instance and RegID decide
	RegID    uint32
	Dir      event.Direction // of the REGISTER
	Direct   bool            // from the UA itself
}

// Binding is one that a 2xx confirmed and that has not ended.
type Binding struct {
	Key
	Contact   Contact
	Call      uint64
	PathAddr  uint64 // of the topmost Path URI of the REGISTER, see AOROf; 0 if there was none
	Outbound  bool   // bound by RFC 5626: the newest 2xx had Require: outbound
	Offered   bool   // the newest REGISTER asked for that
	Forwarded bool   // a proxy on this host sent that on: the registrar is elsewhere

	Conn      *fact.Conn // the flow of the newest REGISTER; it may be closed
	Before    *fact.Conn // the flow before that, nil if there was none
	Made      event.Time
	Moved     event.Time // when Conn took over from Before
	Refreshed event.Time
	Until     event.Time
	Gone      bool // ended, run out or dropped
	Ended     bool // by a REGISTER that removed it
	Notes     *note.Pad

	heap int
}

// Alive says whether the binding is in force at t.
func (b *Binding) Alive(t event.Time) bool { return !b.Gone && b.Until > t }

// FlowOpen says whether the flow still carries messages as far as is known. A
// UDP flow has no end that can be seen.
func (b *Binding) FlowOpen() bool { return !b.Conn.Stream() || b.Conn.Open() }

// Over says whether c is the binding's flow.
func (b *Binding) Over(c *fact.Conn) bool { return Same(b.Conn, c) }

// Same says whether a and c are one flow. A UDP flow that fell silent for long
// goes on as another Conn, and several sockets may share an address.
func Same(a, c *fact.Conn) bool {
	return a == c || !a.Stream() && !c.Stream() && a.Remote == c.Remote && a.NetNS == c.NetNS &&
		(a.Socket == c.Socket || a.Local == c.Local)
}

// flow is what flows are found by.
type flow struct {
	socket uint64
	remote netip.AddrPort
}

func flowOf(c *fact.Conn) flow { return flow{c.Socket, c.Remote} }

// index finds bindings by something that several may share.
type index[K comparable] map[K][]*Binding

func (ix index[K]) add(k K, b *Binding) { ix[k] = append(ix[k], b) }

func (ix index[K]) remove(k K, b *Binding) {
	all := ix[k]
	for i := range all {
		if all[i] != b {
			continue
		}
		last := len(all) - 1
		all[i], all[last] = all[last], nil
		if last == 0 {
			delete(ix, k)
		} else {
			ix[k] = all[:last]
		}
		return
	}
}

// byEnd is a heap, the next one to run out first.
type byEnd []*Binding

func (h byEnd) Len() int           { return len(h) }
func (h byEnd) Less(i, j int) bool { return h[i].Until < h[j].Until }
func (h byEnd) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heap, h[j].heap = i, j
}
func (h *byEnd) Push(x any) {
	b := x.(*Binding)
	b.heap = len(*h)
	*h = append(*h, b)
}
func (h *byEnd) Pop() any {
	old := *h
	b := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return b
}
