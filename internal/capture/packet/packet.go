// SPDX-License-Identifier: Apache-2.0

// Package packet turns captured frames into TCP segments, UDP datagrams and
// the ICMP errors that answer them: through link layers, VLAN tags, IP headers
// and fragments. The same packet captured on two interfaces comes once.
package packet

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Kind of a packet.
type Kind uint8

const (
	Segment  Kind = iota + 1 // TCP
	Datagram                 // UDP
	Refusal                  // an ICMP error about a TCP segment, whose Src, Dst and Seq are given
)

// Flags of a TCP segment.
type Flags uint8

const (
	FIN Flags = 1 << iota
	SYN
	RST
	ACK
)

// Has says whether all of f are set.
func (s Flags) Has(f Flags) bool { return s&f == f }

// Packet is one of them. Payload is the frame's or the Decoder's memory, valid
// until the next packet is decoded.
type Packet struct {
	Kind     Kind
	Time     event.Time
	Src, Dst netip.AddrPort
	Payload  []byte
	Length   int // of the payload on the wire; more than len(Payload) if cut

	Flags Flags
	Seq   uint32 // of the first byte of payload; of SYN if that is set, and in a Refusal
	Ack   uint32

	PortClosed bool // Refusal: the host is there, its port is not
}

// Stats count what did not become a packet.
type Stats struct {
	Unreadable uint64 // frames whose headers were cut or make no sense
	Other      uint64 // frames that carry neither TCP nor UDP
	Duplicates uint64 // packets that were captured more than once
	Fragments  uint64 // datagrams of which fragments were missing or overlapped
}
