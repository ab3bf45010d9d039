// SPDX-License-Identifier: Apache-2.0

// Package hep sends SIP messages to a collector such as Homer's heplify-server,
// in the third version of the Homer encapsulation protocol: packets of chunks,
// each with a vendor (0, the generic ones), a type and a length.
//
// What is sent is a message's head: viaduct keeps no bodies. Content-Length
// stays as it was on the wire.
package hep

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Message is a SIP message as it went from Source to Destination. Head ends with
// the blank line.
type Message struct {
	Time        time.Time
	Source      netip.AddrPort
	Destination netip.AddrPort
	Datagram    bool // UDP, else TCP, also below TLS
	Head        []byte
}

// Chunk types of vendor 0.
const (
	chunkFamily      = 1
	chunkProtocol    = 2
	chunkSource4     = 3
	chunkDest4       = 4
	chunkSource6     = 5
	chunkDest6       = 6
	chunkSourcePort  = 7
	chunkDestPort    = 8
	chunkSeconds     = 9
	chunkMicros      = 10
	chunkPayloadType = 11
	chunkCaptureID   = 12
	chunkAuthKey     = 14
	chunkPayload     = 15
	chunkNode        = 19
)

const (
	family4    = 2 // AF_INET, and AF_INET6 as on Linux
	family6    = 10
	protoTCP   = 6
	protoUDP   = 17
	payloadSIP = 1

	headerBytes = 6 // "HEP3" and the length of the whole
	chunkBytes  = 6 // before each chunk's bytes
	maxPacket   = 1<<16 - 1
)

// Agent is who captured the messages.
type Agent struct {
	ID   uint32
	Node string // "" sends none
	Key  string // that the collector may ask for; "" sends none
}

// Append adds m as one packet to b. It says false, and adds nothing, if m is
// longer than a packet can be.
func (a *Agent) Append(b []byte, m *Message) ([]byte, bool) {
	start := len(b)
	b = append(b, "HEP3\x00\x00"...)
	family, source, dest := uint8(family4), chunkSource4, chunkDest4
	from, to := m.Source.Addr().Unmap(), m.Destination.Addr().Unmap()
	if from.Is6() || to.Is6() {
		family, source, dest = family6, chunkSource6, chunkDest6
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	protocol := uint8(protoTCP)
	if m.Datagram {
		protocol = protoUDP
	}
	b = chunk(b, chunkFamily, []byte{family})
	b = chunk(b, chunkProtocol, []byte{protocol})
	b = chunk(b, source, from.AsSlice())
	b = chunk(b, dest, to.AsSlice())
	b = chunk(b, chunkSourcePort, binary.BigEndian.AppendUint16(nil, m.Source.Port()))
	b = chunk(b, chunkDestPort, binary.BigEndian.AppendUint16(nil, m.Destination.Port()))
	b = chunk(b, chunkSeconds, binary.BigEndian.AppendUint32(nil, uint32(m.Time.Unix())))
	b = chunk(b, chunkMicros, binary.BigEndian.AppendUint32(nil, uint32(m.Time.Nanosecond()/1000)))
	b = chunk(b, chunkPayloadType, []byte{payloadSIP})
	b = chunk(b, chunkCaptureID, binary.BigEndian.AppendUint32(nil, a.ID))
	if a.Node != "" {
		b = chunk(b, chunkNode, []byte(a.Node))
	}
	if a.Key != "" {
		b = chunk(b, chunkAuthKey, []byte(a.Key))
	}
	if len(b)-start+chunkBytes+len(m.Head) > maxPacket {
		return b[:start], false
	}
	b = chunk(b, chunkPayload, m.Head)
	binary.BigEndian.PutUint16(b[start+4:], uint16(len(b)-start))
	return b, true
}

func chunk(b []byte, kind int, value []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(kind)) // vendor 0
	b = binary.BigEndian.AppendUint16(b, uint16(chunkBytes+len(value)))
	return append(b, value...)
}
