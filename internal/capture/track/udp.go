// SPDX-License-Identifier: Apache-2.0

package track

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/capture/packet"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// socketWait is how long a UDP port may be silent before another socket
	// may have it: the core's flows end by then too.
	socketWait = 5 * time.Minute
	// triesOut and triesIn are datagrams without SIP after which nobody looks
	// any more: a server must answer, whatever strangers throw at it.
	triesOut = 8
	triesIn  = 64
	// keepaliveMax is up to which length a datagram says nothing (RFC 5626
	// section 4.4).
	keepaliveMax = 4
)

// socket is a UDP port of this host, or, where sides are not known, a flow.
type socket struct {
	number  uint64
	local   netip.AddrPort
	last    event.Time
	verdict verdict
	in, out uint8 // datagrams that were not SIP
}

// datagram takes a UDP datagram, once for each end that is this host's.
func (t *Tracker) datagram(p *packet.Packet) {
	sent, received := t.isLocal(p.Src.Addr()), t.isLocal(p.Dst.Addr())
	if sent {
		t.onSocket(p, p.Src, false)
	}
	if received {
		t.onSocket(p, p.Dst, false)
	}
	if !sent && !received {
		t.onSocket(p, p.Src, true)
	}
}

// onSocket takes it for the socket at local, or if sideless for the flow, where
// local counts only if this is the first datagram.
func (t *Tracker) onSocket(p *packet.Packet, local netip.AddrPort, sideless bool) {
	k := pair{a: local}
	if sideless {
		k, _ = pairOf(p)
	}
	s := t.udp.get(k)
	if s == nil || p.Time.Sub(s.last) >= socketWait {
		s = &socket{number: t.number(), local: local}
		t.udp.put(k, s)
	}
	s.last = p.Time
	if s.verdict == notSIP {
		return
	}
	d, remote := event.Out, p.Dst
	if p.Src != s.local {
		d, remote = event.In, p.Src
	}
	if s.verdict == undecided {
		s.decide(p, d, t.sip[s.local.Port()] || sideless && t.sip[remote.Port()])
	}
	if s.verdict != isSIP {
		return
	}
	t.event = event.Event{
		Kind: event.Data, Transport: event.UDP, Time: p.Time, Socket: s.number,
		Local: s.local, Remote: remote, Direction: d, Sideless: sideless,
		Length: p.Length, Payload: p.Payload, IdleIn: -1, IdleOut: -1, Lost: t.doubt.Datagrams,
	}
	t.emit(&t.event)
}

func (s *socket) decide(p *packet.Packet, d event.Direction, port bool) {
	switch {
	case port || sniff(p.Payload) == isSIP:
		s.verdict = isSIP
		return
	case p.Length <= keepaliveMax:
		return
	case d == event.In:
		s.in++
	default:
		s.out++
	}
	if s.out >= triesOut || s.in >= triesIn {
		s.verdict = notSIP
	}
}
