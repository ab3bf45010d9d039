// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/internal/capture/file"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Decoder reads frames in the order of their capture. The zero value is ready;
// it is not safe for concurrent use.
type Decoder struct {
	Stats

	ethernet layers.Ethernet
	vlan     layers.Dot1Q
	sll      layers.LinuxSLL
	sll2     layers.LinuxSLL2
	loopback layers.Loopback
	ip4      layers.IPv4
	ip6      layers.IPv6
	skip6    layers.IPv6ExtensionSkipper
	frag6    layers.IPv6Fragment
	tcp      layers.TCP
	udp      layers.UDP

	twins  twins
	pieces pieces
}

// Decode reads f, which was captured at now, and says whether to holds a
// packet.
func (d *Decoder) Decode(f *file.Frame, now event.Time, to *Packet) bool {
	l, ok, err := d.openLink(f)
	if err != nil {
		d.Unreadable++
		return false
	}
	if !ok {
		d.Other++
		return false
	}
	var ip datagram
	if err := d.openIP(l.ip, f.Length-(len(f.Data)-len(l.ip)), &ip); err != nil {
		d.Unreadable++
		return false
	}
	if d.twins.seen(&ip, l.where, now) {
		d.Duplicates++
		return false
	}
	if ip.piece && !d.pieces.join(&ip, now, &d.Stats) {
		return false
	}
	*to = Packet{Time: now}
	switch ip.protocol {
	case layers.IPProtocolTCP:
		ok = d.segment(&ip, to)
	case layers.IPProtocolUDP:
		ok = d.datagram(&ip, to)
	case layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
		return d.refusal(&ip, to)
	default:
		d.Other++
		return false
	}
	if !ok {
		d.Unreadable++
	}
	return ok
}

// Expire gives up fragments whose datagram was not completed in time.
func (d *Decoder) Expire(now event.Time) { d.pieces.expire(now, &d.Stats) }

// Finish gives up all of them.
func (d *Decoder) Finish() { d.pieces.drop(&d.Stats) }

func (d *Decoder) segment(ip *datagram, to *Packet) bool {
	t := &d.tcp
	if t.DecodeFromBytes(ip.payload, gopacket.NilDecodeFeedback) != nil {
		return false
	}
	to.Kind = Segment
	to.Src = netip.AddrPortFrom(ip.src, uint16(t.SrcPort))
	to.Dst = netip.AddrPortFrom(ip.dst, uint16(t.DstPort))
	to.Payload = t.Payload
	to.Length = ip.length - len(t.Contents)
	to.Seq, to.Ack = t.Seq, t.Ack
	for flag, set := range [...]bool{t.FIN, t.SYN, t.RST, t.ACK} {
		if set {
			to.Flags |= 1 << flag
		}
	}
	return true
}

func (d *Decoder) datagram(ip *datagram, to *Packet) bool {
	u := &d.udp
	if u.DecodeFromBytes(ip.payload, gopacket.NilDecodeFeedback) != nil {
		return false
	}
	to.Kind = Datagram
	to.Src = netip.AddrPortFrom(ip.src, uint16(u.SrcPort))
	to.Dst = netip.AddrPortFrom(ip.dst, uint16(u.DstPort))
	to.Payload = u.Payload
	to.Length = ip.length - len(u.Contents)
	if u.Length != 0 {
		to.Length = min(to.Length, int(u.Length)-len(u.Contents))
	}
	return true
}

// icmpHeader is how much stands in front of the packet that an error quotes.
const icmpHeader = 8

// refusal reads an ICMP error (RFC 792, RFC 4443) about a TCP segment. It is
// no loss if it is about something else.
func (d *Decoder) refusal(ip *datagram, to *Packet) bool {
	b := ip.payload
	if len(b) < icmpHeader {
		d.Unreadable++
		return false
	}
	to.Kind = Refusal
	switch kind, code := b[0], b[1]; {
	case ip.protocol == layers.IPProtocolICMPv4 &&
		(kind == layers.ICMPv4TypeDestinationUnreachable && code != layers.ICMPv4CodeFragmentationNeeded ||
			kind == layers.ICMPv4TypeTimeExceeded || kind == layers.ICMPv4TypeParameterProblem):
		to.PortClosed = kind == layers.ICMPv4TypeDestinationUnreachable && code == layers.ICMPv4CodePort
	case ip.protocol == layers.IPProtocolICMPv6 &&
		(kind == layers.ICMPv6TypeDestinationUnreachable || kind == layers.ICMPv6TypeTimeExceeded ||
			kind == layers.ICMPv6TypeParameterProblem):
		to.PortClosed = kind == layers.ICMPv6TypeDestinationUnreachable && code == layers.ICMPv6CodePortUnreachable
	default:
		return false
	}
	var quoted datagram
	err := d.openIP(b[icmpHeader:], 0, &quoted)
	if err != nil || quoted.protocol != layers.IPProtocolTCP || quoted.piece || len(quoted.payload) < 8 {
		return false
	}
	p := quoted.payload
	to.Src = netip.AddrPortFrom(quoted.src, binary.BigEndian.Uint16(p))
	to.Dst = netip.AddrPortFrom(quoted.dst, binary.BigEndian.Uint16(p[2:]))
	to.Seq = binary.BigEndian.Uint32(p[4:])
	return true
}
