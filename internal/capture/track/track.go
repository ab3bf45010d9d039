// SPDX-License-Identifier: Apache-2.0

// Package track follows the connections of a capture and tells of those that
// carry SIP what the kernel would have told of them live: the same events, for
// the same sockets. What a kernel knows and a capture does not show (processes,
// the end of a UDP socket) stays unknown.
package track

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/viaduct-project/viaduct/internal/capture/packet"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Options say what is SIP and which end is this host's.
type Options struct {
	Ports    []uint16 // SIP is taken for granted here; default 5060 and 5061
	TLSPorts []uint16 // of these, taken for TLS until a byte is seen; default 5061
	// Local are the addresses of this host. Without them, and where neither
	// end is in them, the initiator of a connection takes the local place and
	// its events are Sideless.
	Local []netip.Prefix
	// Doubt is what an earlier reading has shown to be missing, nil if nothing.
	Doubt *Doubt
}

// Tracker turns packets into events. It is not safe for concurrent use.
type Tracker struct {
	Evicted uint64          // connections that were forgotten while they were followed
	Missed  map[uint64]bool // sockets of which bytes were acknowledged that no frame has shown, at most missedMax

	sip, tls [1 << 16]bool
	local    []netip.Prefix
	doubt    Doubt
	emit     func(*event.Event)
	event    event.Event // the one that is emitted
	sockets  uint64      // last number given

	tcp     table[pair, conn]
	udp     table[pair, socket]
	waiting []*conn // for a time of their own
	gaps    []*conn // of which bytes were acknowledged that were not seen
}

// pair are the two ends of a connection, in an order of their own; a UDP
// socket has one.
type pair struct{ a, b netip.AddrPort }

// pairOf returns the pair and which of its ends sent.
func pairOf(p *packet.Packet) (pair, int) {
	if p.Src.Compare(p.Dst) <= 0 {
		return pair{p.Src, p.Dst}, 0
	}
	return pair{p.Dst, p.Src}, 1
}

// New returns a Tracker that calls emit for each event, which is valid until
// that returns.
func New(o Options, emit func(*event.Event)) *Tracker {
	t := &Tracker{Missed: make(map[uint64]bool), local: o.Local, emit: emit}
	if o.Doubt != nil {
		t.doubt = *o.Doubt
	}
	if o.Ports == nil {
		o.Ports = []uint16{5060, 5061}
	}
	if o.TLSPorts == nil {
		o.TLSPorts = []uint16{5061}
	}
	for _, port := range o.Ports {
		t.sip[port] = true
	}
	for _, port := range o.TLSPorts {
		t.tls[port] = true
	}
	t.tcp = newTable[pair](func(c *conn) bool { return c.followed() }, func(*conn) { t.Evicted++ })
	t.udp = newTable[pair](func(s *socket) bool { return s.verdict == isSIP }, func(*socket) { t.Evicted++ })
	return t
}

// Packet takes the next one.
func (t *Tracker) Packet(p *packet.Packet) {
	switch p.Kind {
	case packet.Segment:
		t.segment(p)
	case packet.Datagram:
		t.datagram(p)
	case packet.Refusal:
		t.refusal(p)
	}
}

// Tick lets time pass; about once a second is often enough.
func (t *Tracker) Tick(now event.Time) {
	t.missed(now)
	keep := t.waiting[:0]
	for _, c := range t.waiting {
		if c.due == 0 || c.due <= now && t.due(c) {
			c.queued = false
			continue
		}
		keep = append(keep, c)
	}
	clear(t.waiting[len(keep):])
	t.waiting = keep
}

// Finish gives the figures of the connections that are still open at the end
// of the capture.
func (t *Tracker) Finish(now event.Time) {
	t.Tick(now)
	var open []*conn
	t.tcp.each(func(c *conn) {
		if c.followed() {
			open = append(open, c)
		}
	})
	slices.SortFunc(open, func(a, b *conn) int { return cmp.Compare(a.views[0].socket, b.views[0].socket) })
	for _, c := range open {
		if c.closing() {
			t.closeRest(c)
		}
		t.figures(c, now)
	}
}

func (t *Tracker) isLocal(a netip.Addr) bool {
	for _, p := range t.local {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (t *Tracker) number() uint64 {
	t.sockets++
	return t.sockets
}
