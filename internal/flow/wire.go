// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/event"
)

// What an Ethernet frame carries, and headers.
const (
	mtu       = 1500
	ipv4      = 20
	ipv6      = 40
	ethernet  = 14
	tcpHeader = 20
	udpHeader = 8
	extension = 8 // of each fragment of an IPv6 packet
)

// wire turns actions into packets.
type wire struct {
	*capturetest.Sorted // a handshake begins before the event that tells of it

	conns  map[*conn]*[2]uint32                // sequence numbers of what each side sends next
	closed map[[2]netip.AddrPort]time.Duration // when, by local and remote address
}

func (p *wire) next(c *conn) *[2]uint32 {
	if p.conns[c] == nil {
		first := firstSeq(c)
		p.conns[c] = &first
	}
	return p.conns[c]
}

func header(c *conn) int {
	if c.local.Addr().Is4() {
		return ipv4
	}
	return ipv6
}

// send writes a segment that acknowledges all that came before, of which the
// capture holds seen bytes of payload.
func (p *wire) send(at time.Duration, c *conn, from event.Side, f capturetest.Flags, b []byte, seen int) {
	next := p.next(c)
	mine := &next[index(from)]
	f.ACK = true
	seq := *mine
	if f.SYN {
		seq-- // it has a number of its own
	}
	ip := p.Segment(c.address(from), c.address(other(from)), f, seq, next[index(other(from))], string(b))
	p.frame(at, ip, len(b)-seen)
	*mine += uint32(len(b))
	if f.FIN {
		*mine++
	}
}

// frame writes an IP packet whose last unseen bytes are not captured.
func (p *wire) frame(at time.Duration, ip []byte, unseen int) {
	if unseen > 0 {
		p.Snap = ethernet + len(ip) - unseen
	}
	p.IP(Start.Add(at), ip)
	p.Snap = 0
}

// bare writes a segment without payload.
func (p *wire) bare(at time.Duration, c *conn, from event.Side, f capturetest.Flags) {
	p.send(at, c, from, f, nil, 0)
}

func (p *wire) play(a *action) {
	c := a.conn
	switch a.kind {
	case opens:
		p.opens(a)
	case fails:
		p.fails(a)
	case sends:
		if c.transport == event.UDP {
			p.datagram(a)
			return
		}
		p.stream(a)
	case loses:
		p.next(c)[index(a.side)] += uint32(a.size)
	case finishes:
		p.bare(a.at, c, a.side, capturetest.Flags{FIN: true})
		p.bare(a.at, c, other(a.side), capturetest.Flags{})
	case closes:
		p.closed[[2]netip.AddrPort{c.local, c.remote}] = a.at
		if a.how == event.RST {
			p.bare(a.at, c, a.side, capturetest.Flags{RST: true})
		}
	}
}

// opens writes the handshake as this host sees it: its answer to a SYN takes
// no time, the peer's takes the round trip.
func (p *wire) opens(a *action) {
	c := a.conn
	if c.transport == event.UDP || c.midLife {
		return
	}
	began := p.began(a)
	answered := a.at
	if c.initiator == event.Remote {
		answered = began
	}
	p.syn(began, c, c.initiator)
	p.bare(answered, c, other(c.initiator), capturetest.Flags{SYN: true})
	p.bare(a.at, c, c.initiator, capturetest.Flags{})
}

// syn writes the first segment, and returns it.
func (p *wire) syn(at time.Duration, c *conn, from event.Side) []byte {
	ip := p.Segment(c.address(from), c.address(other(from)), capturetest.Flags{SYN: true}, p.next(c)[index(from)]-1, 0, "")
	p.frame(at, ip, 0)
	return ip
}

// began is when the SYN was sent: not before the same addresses had closed
// another connection.
func (p *wire) began(a *action) time.Duration {
	began := a.at - handshake
	if closed, ok := p.closed[[2]netip.AddrPort{a.conn.local, a.conn.remote}]; ok {
		began = max(began, closed)
	}
	return began
}

func (p *wire) fails(a *action) {
	c := a.conn
	syn := p.syn(p.began(a), c, event.Local)
	if a.how == event.Unreachable {
		p.frame(a.at, p.Unreachable(syn, false), 0)
		return
	}
	p.frame(a.at, p.Segment(c.remote, c.local, capturetest.Flags{RST: true, ACK: true}, 0, p.next(c)[index(event.Local)], ""), 0)
}

// stream writes data: the segments that the action says, each in as many as it
// needs, and an acknowledgement.
func (p *wire) stream(a *action) {
	left, room := len(a.data), mtu-header(a.conn)-tcpHeader
	if a.seen >= 0 {
		left = a.seen
	}
	for _, part := range segments(a) {
		for len(part) > 0 {
			b := part[:min(room, len(part))]
			part = part[len(b):]
			seen := min(left, len(b))
			left -= seen
			p.send(a.at, a.conn, a.side, capturetest.Flags{}, b, seen)
		}
	}
	p.bare(a.at, a.conn, other(a.side), capturetest.Flags{})
}

// datagram writes data in one packet, or in as many fragments as it needs.
func (p *wire) datagram(a *action) {
	c, seen := a.conn, len(a.data)
	if a.seen >= 0 {
		seen = min(seen, a.seen)
	}
	ip := p.Datagram(c.address(a.side), c.address(other(a.side)), string(a.data))
	if len(ip) <= mtu {
		p.frame(a.at, ip, len(a.data)-seen)
		return
	}
	head := header(c)
	if head == ipv6 {
		head += extension
	}
	left := udpHeader + seen
	for _, part := range capturetest.Fragments(ip, (mtu-head)/8*8) {
		held := min(left, len(part)-head)
		left -= held
		p.frame(a.at, part, len(part)-head-held)
	}
}
