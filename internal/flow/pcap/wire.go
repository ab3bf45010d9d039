// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/flow"
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

	conns  map[*flow.Conn]*[2]uint32           // sequence numbers of what each side sends next
	closed map[[2]netip.AddrPort]time.Duration // when, by local and remote address
}

func (p *wire) next(c *flow.Conn) *[2]uint32 {
	if p.conns[c] == nil {
		first := c.FirstSeq()
		p.conns[c] = &first
	}
	return p.conns[c]
}

func header(c *flow.Conn) int {
	if c.Local.Addr().Is4() {
		return ipv4
	}
	return ipv6
}

// send writes a segment that acknowledges all that came before, of which the
// capture holds seen bytes of payload.
func (p *wire) send(at time.Duration, c *flow.Conn, from event.Side, f capturetest.Flags, b []byte, seen int) {
	next := p.next(c)
	mine := &next[flow.Index(from)]
	f.ACK = true
	seq := *mine
	if f.SYN {
		seq-- // it has a number of its own
	}
	ip := p.Segment(c.Address(from), c.Address(flow.Other(from)), f, seq, next[flow.Index(flow.Other(from))], string(b))
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
	p.IP(flow.Start.Add(at), ip)
	p.Snap = 0
}

// bare writes a segment without payload.
func (p *wire) bare(at time.Duration, c *flow.Conn, from event.Side, f capturetest.Flags) {
	p.send(at, c, from, f, nil, 0)
}

func (p *wire) play(a *flow.Action) {
	c := a.Conn
	switch a.Act {
	case flow.Opens:
		p.opens(a)
	case flow.Fails:
		p.fails(a)
	case flow.Sends:
		if c.Transport == event.UDP {
			p.datagram(a)
			return
		}
		p.stream(a)
	case flow.Loses:
		p.next(c)[flow.Index(a.Side)] += uint32(a.Size)
	case flow.Finishes:
		p.bare(a.At, c, a.Side, capturetest.Flags{FIN: true})
		p.bare(a.At, c, flow.Other(a.Side), capturetest.Flags{})
	case flow.Closes:
		p.closed[[2]netip.AddrPort{c.Local, c.Remote}] = a.At
		if a.How == event.RST {
			p.bare(a.At, c, a.Side, capturetest.Flags{RST: true})
		}
	}
}

// opens writes the flow.Handshake as this host sees it: its answer to a SYN takes
// no time, the peer's takes the round trip.
func (p *wire) opens(a *flow.Action) {
	c := a.Conn
	if c.Transport == event.UDP || c.MidLife {
		return
	}
	began := p.began(a)
	answered := a.At
	if c.Initiator == event.Remote {
		answered = began
	}
	p.syn(began, c, c.Initiator)
	p.bare(answered, c, flow.Other(c.Initiator), capturetest.Flags{SYN: true})
	p.bare(a.At, c, c.Initiator, capturetest.Flags{})
}

// syn writes the first segment, and returns it.
func (p *wire) syn(at time.Duration, c *flow.Conn, from event.Side) []byte {
	ip := p.Segment(c.Address(from), c.Address(flow.Other(from)), capturetest.Flags{SYN: true}, p.next(c)[flow.Index(from)]-1, 0, "")
	p.frame(at, ip, 0)
	return ip
}

// began is when the SYN was sent: not before the same addresses had closed
// another connection.
func (p *wire) began(a *flow.Action) time.Duration {
	began := a.At - flow.Handshake
	if closed, ok := p.closed[[2]netip.AddrPort{a.Conn.Local, a.Conn.Remote}]; ok {
		began = max(began, closed)
	}
	return began
}

func (p *wire) fails(a *flow.Action) {
	c := a.Conn
	syn := p.syn(p.began(a), c, event.Local)
	if a.How == event.Unreachable {
		p.frame(a.At, p.Unreachable(syn, false), 0)
		return
	}
	p.frame(a.At, p.Segment(c.Remote, c.Local, capturetest.Flags{RST: true, ACK: true}, 0, p.next(c)[flow.Index(event.Local)], ""), 0)
}

// stream writes data: the segments that the action says, each in as many as it
// needs, and an acknowledgement.
func (p *wire) stream(a *flow.Action) {
	left, room := len(a.Data), mtu-header(a.Conn)-tcpHeader
	if a.Seen >= 0 {
		left = a.Seen
	}
	for _, part := range a.Segments() {
		for len(part) > 0 {
			b := part[:min(room, len(part))]
			part = part[len(b):]
			seen := min(left, len(b))
			left -= seen
			p.send(a.At, a.Conn, a.Side, capturetest.Flags{}, b, seen)
		}
	}
	p.bare(a.At, a.Conn, flow.Other(a.Side), capturetest.Flags{})
}

// datagram writes data in one packet, or in as many fragments as it needs.
func (p *wire) datagram(a *flow.Action) {
	c, seen := a.Conn, len(a.Data)
	if a.Seen >= 0 {
		seen = min(seen, a.Seen)
	}
	ip := p.Datagram(c.Address(a.Side), c.Address(flow.Other(a.Side)), string(a.Data))
	if len(ip) <= mtu {
		p.frame(a.At, ip, len(a.Data)-seen)
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
		p.frame(a.At, part, len(part)-head-held)
	}
}
