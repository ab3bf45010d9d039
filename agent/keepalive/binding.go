// SPDX-License-Identifier: Apache-2.0

package keepalive

import (
	"encoding/binary"
	"net/netip"
)

// Types and attributes of STUN (RFC 8489 sections 5, 14 and 18.3).
const (
	attrMapped    = 0x0001
	attrUsername  = 0x0006
	attrIntegrity = 0x0008
	attrError     = 0x0009
	attrUnknown   = 0x000A
	attrXORMapped = 0x0020
	attrSHA256    = 0x001C
)

// Binding is what one STUN message says.
type Binding struct {
	Type      uint16
	ID        [12]byte
	Whole     bool           // its length and those of its attributes fit the bytes
	Mapped    netip.AddrPort // XOR-MAPPED-ADDRESS, not valid if there is none that can be read
	XORMapped bool           // there is one
	Plain     bool           // there is a MAPPED-ADDRESS
	Code      int            // of ERROR-CODE, 0 if there is none
	Unknown   bool           // there is UNKNOWN-ATTRIBUTES
	Login     bool           // there is USERNAME or MESSAGE-INTEGRITY, of either kind
}

// Success and Error say what a response is.
func (m *Binding) Success() bool { return m.Type == bindSuccess }
func (m *Binding) Error() bool   { return m.Type == bindError }

// ReadBinding reads b, which Classify has called STUN.
func ReadBinding(b []byte) (m Binding) {
	m.Type = binary.BigEndian.Uint16(b)
	m.ID = [12]byte(b[8:stunHeader])
	rest := b[stunHeader:]
	if int(binary.BigEndian.Uint16(b[2:])) != len(rest) || len(rest)%4 != 0 {
		return m
	}
	for len(rest) >= 4 {
		kind, n := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		rest = rest[4:]
		padded := (n + 3) &^ 3
		if padded > len(rest) {
			return m
		}
		m.attribute(kind, rest[:n], b)
		rest = rest[padded:]
	}
	m.Whole = true
	return m
}

func (m *Binding) attribute(kind uint16, v, b []byte) {
	switch kind {
	case attrXORMapped:
		if !m.XORMapped { // of two, the first counts
			m.XORMapped, m.Mapped = true, unmask(v, b)
		}
	case attrMapped:
		m.Plain = true
	case attrUsername, attrIntegrity, attrSHA256:
		m.Login = true
	case attrUnknown:
		m.Unknown = true
	case attrError:
		if len(v) >= 4 && m.Code == 0 {
			m.Code = int(v[2]&7)*100 + int(v[3])
		}
	}
}

// unmask undoes the XOR of RFC 8489 section 14.2: the port with the cookie's
// first half, the address with the cookie and the transaction id.
func unmask(v, b []byte) netip.AddrPort {
	const v4, v6 = 8, 20
	if len(v) != v4 && len(v) != v6 || v[1] != 1 && len(v) == v4 || v[1] != 2 && len(v) == v6 {
		return netip.AddrPort{}
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ stunCookie>>16
	var a [16]byte
	n := copy(a[:], v[4:])
	for i := range n {
		a[i] ^= b[4+i]
	}
	addr, _ := netip.AddrFromSlice(a[:n])
	return netip.AddrPortFrom(addr, port)
}
