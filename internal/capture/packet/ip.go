// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"errors"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// extensionsMax is how many IPv6 extension headers are followed, as the live
// source does.
const extensionsMax = 6

const headerIPv6 = 40 // without extensions

var errVersion = errors.New("neither IPv4 nor IPv6")

// datagram is an IP packet, or a piece of one.
type datagram struct {
	src, dst netip.Addr
	protocol layers.IPProtocol
	payload  []byte
	length   int // of payload on the wire

	id     uint32
	piece  bool // a fragment, offset and more tell which
	offset int
	more   bool
}

// openIP reads the IP header. wire is the length that the packet had on it,
// for headers that do not say because the network card cuts the packet up.
func (d *Decoder) openIP(b []byte, wire int, to *datagram) error {
	if len(b) == 0 {
		return errVersion
	}
	switch b[0] >> 4 {
	case 4:
		return d.openIPv4(b, wire, to)
	case 6:
		return d.openIPv6(b, wire, to)
	}
	return errVersion
}

func (d *Decoder) openIPv4(b []byte, wire int, to *datagram) error {
	ip := &d.ip4
	if err := ip.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
		return err
	}
	if b[2]|b[3] != 0 {
		wire = int(ip.Length)
	}
	*to = datagram{
		src:      netip.AddrFrom4([4]byte(ip.SrcIP)),
		dst:      netip.AddrFrom4([4]byte(ip.DstIP)),
		protocol: ip.Protocol,
		payload:  ip.Payload,
		length:   max(wire-len(ip.Contents), len(ip.Payload)),
		id:       uint32(ip.Id),
		offset:   int(ip.FragOffset) * 8,
		more:     ip.Flags&layers.IPv4MoreFragments != 0,
	}
	to.piece = to.more || to.offset > 0
	return nil
}

func (d *Decoder) openIPv6(b []byte, wire int, to *datagram) error {
	ip := &d.ip6
	err := ip.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
	if long := len(b) >= headerIPv6 && b[4]|b[5] == 0; !long {
		wire = headerIPv6 + int(ip.Length)
	} else if layers.IPProtocol(b[6]) == layers.IPProtocolTCP {
		err = nil // what the network card cuts up is longer than the field can say, and needs no header that does
	}
	if err != nil {
		return err
	}
	*to = datagram{
		src:      netip.AddrFrom16([16]byte(ip.SrcIP)),
		dst:      netip.AddrFrom16([16]byte(ip.DstIP)),
		protocol: ip.NextHeader,
		payload:  ip.Payload,
		length:   max(wire-headerIPv6, len(ip.Payload)),
	}
	if h := ip.HopByHop; h != nil {
		to.protocol = h.NextHeader
		to.length = max(wire-headerIPv6-h.ActualLength, len(ip.Payload))
	}
	// RFC 8200 section 4: the headers between this one and the transport's. In
	// fragments after the first they are not there (section 4.5).
	for range extensionsMax {
		before := len(to.payload)
		switch to.protocol {
		case layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Destination:
			if err := d.skip6.DecodeFromBytes(to.payload, gopacket.NilDecodeFeedback); err != nil {
				return err
			}
			to.protocol, to.payload = d.skip6.NextHeader, d.skip6.Payload
		case layers.IPProtocolIPv6Fragment:
			f := &d.frag6
			if err := f.DecodeFromBytes(to.payload, gopacket.NilDecodeFeedback); err != nil {
				return err
			}
			to.protocol, to.payload = f.NextHeader, f.Payload
			to.id, to.offset, to.more = f.Identification, int(f.FragmentOffset)*8, f.MoreFragments
			to.piece = to.more || to.offset > 0
		default:
			return nil
		}
		to.length -= before - len(to.payload)
		if to.piece {
			return nil
		}
	}
	return nil
}
