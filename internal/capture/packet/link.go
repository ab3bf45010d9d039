// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/internal/capture/file"
)

// tagsMax is how many VLAN tags are followed: QinQ has two.
const tagsMax = 4

// qinqOld is what QinQ used before it had a number of its own.
const qinqOld layers.EthernetType = 0x9100

// Raw IP has had other numbers on other systems (DLT_RAW).
const (
	rawBSD   layers.LinkType = 12
	rawOther layers.LinkType = 14
)

// Supported says whether frames of the link type can be read.
func Supported(l layers.LinkType) bool {
	switch l {
	case layers.LinkTypeEthernet, layers.LinkTypeLinuxSLL, layers.LinkTypeLinuxSLL2,
		layers.LinkTypeNull, layers.LinkTypeLoop,
		layers.LinkTypeRaw, rawBSD, rawOther, layers.LinkTypeIPv4, layers.LinkTypeIPv6:
		return true
	}
	return false
}

// link is what the link layer says: the IP packet, and where it was captured.
type link struct {
	ip    []byte
	where place
}

// place is an interface, as far as the file tells: packets from two places
// that are the same are one.
type place struct {
	iface   int
	ifindex uint32
	vague   bool // all interfaces look the same here
}

// openLink strips the link layer. ok is false for what is not IP; err tells
// that the header cannot be read.
func (d *Decoder) openLink(f *file.Frame) (l link, ok bool, err error) {
	var kind layers.EthernetType
	l.where.iface = f.Interface
	switch f.Link {
	case layers.LinkTypeEthernet:
		err = d.ethernet.DecodeFromBytes(f.Data, gopacket.NilDecodeFeedback)
		l.ip, kind = d.ethernet.Payload, d.ethernet.EthernetType
	case layers.LinkTypeLinuxSLL:
		err = d.sll.DecodeFromBytes(f.Data, gopacket.NilDecodeFeedback)
		l.ip, kind, l.where.vague = d.sll.Payload, d.sll.EthernetType, true
	case layers.LinkTypeLinuxSLL2:
		err = d.sll2.DecodeFromBytes(f.Data, gopacket.NilDecodeFeedback)
		l.ip, kind, l.where.ifindex = d.sll2.Payload, d.sll2.ProtocolType, d.sll2.InterfaceIndex
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		// Which number says IPv6 depends on the system that captured; the
		// version in the IP header does not.
		err = d.loopback.DecodeFromBytes(f.Data, gopacket.NilDecodeFeedback)
		return link{d.loopback.Payload, l.where}, err == nil, err
	default:
		return link{f.Data, l.where}, Supported(f.Link), nil
	}
	for range tagsMax {
		if err != nil || kind != layers.EthernetTypeDot1Q && kind != layers.EthernetTypeQinQ && kind != qinqOld {
			break
		}
		err = d.vlan.DecodeFromBytes(l.ip, gopacket.NilDecodeFeedback)
		l.ip, kind = d.vlan.Payload, d.vlan.Type
	}
	return l, err == nil && (kind == layers.EthernetTypeIPv4 || kind == layers.EthernetTypeIPv6), err
}
