// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// STUN message types of the Binding method, RFC 8489 section 18.2.
const (
	BindingRequest    = 0x0001
	BindingIndication = 0x0011
	BindingSuccess    = 0x0101
	BindingError      = 0x0111
)

const stunCookie = 0x2112A442

// Stun is a STUN message that is being written.
type Stun struct {
	b []byte
}

// NewStun returns a message without attributes.
func NewStun(messageType uint16, id [12]byte) *Stun {
	b := binary.BigEndian.AppendUint16(nil, messageType)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, stunCookie)
	return &Stun{append(b, id[:]...)}
}

// Bytes returns the message. A FINGERPRINT has to be the last attribute.
func (s *Stun) Bytes() []byte { return s.b }

// Attribute appends one, padded to a multiple of four (section 14).
func (s *Stun) Attribute(kind uint16, value []byte) {
	s.b = binary.BigEndian.AppendUint16(s.b, kind)
	s.b = binary.BigEndian.AppendUint16(s.b, uint16(len(value)))
	s.b = append(s.b, value...)
	for len(s.b)%4 != 0 {
		s.b = append(s.b, 0)
	}
	binary.BigEndian.PutUint16(s.b[2:], uint16(len(s.b)-20))
}

// attributes are those that a keep-alive may be seen with, each with a value
// of the right form.
var attributes = map[string]struct {
	kind  uint16
	value string
}{
	"username":          {0x0006, "left:right"},
	"message-integrity": {0x0008, "twenty bytes of HMAC"},
	"unknown":           {0x000A, "\x7f\xff"},
	"realm":             {0x0014, "example.com"},
	"nonce":             {0x0015, "nonce"},
	"priority":          {0x0024, "\x6e\x7f\x00\xff"},
	"software":          {0x8022, "flow"},
}

// AttributeNames lists what Named knows, and Fingerprint.
func AttributeNames() []string {
	return []string{"username", "message-integrity", "unknown", "realm", "nonce", "priority", "software", "fingerprint"}
}

// Named appends the attribute of that name; it says whether there is one.
func (s *Stun) Named(name string) bool {
	if name == "fingerprint" {
		s.fingerprint()
		return true
	}
	a, ok := attributes[name]
	if ok {
		s.Attribute(a.kind, []byte(a.value))
	}
	return ok
}

// fingerprint is section 14.7: the length in the header counts it already.
func (s *Stun) fingerprint() {
	binary.BigEndian.PutUint16(s.b[2:], uint16(len(s.b)-20+8))
	sum := crc32.ChecksumIEEE(s.b) ^ 0x5354554e
	s.Attribute(0x8028, binary.BigEndian.AppendUint32(nil, sum))
}

// Mapped appends MAPPED-ADDRESS, XorMapped XOR-MAPPED-ADDRESS (sections 14.1
// and 14.2).
func (s *Stun) Mapped(a netip.AddrPort) {
	s.Attribute(0x0001, address(a))
}

// XorMapped appends the address, hidden from NATs that rewrite what they know.
func (s *Stun) XorMapped(a netip.AddrPort) {
	v := address(a)
	for i := range v[2:4] {
		v[2+i] ^= s.b[4+i]
	}
	for i := range v[4:] {
		v[4+i] ^= s.b[4+i] // cookie and transaction id
	}
	s.Attribute(0x0020, v)
}

func address(a netip.AddrPort) []byte {
	family := byte(1)
	if a.Addr().Is6() {
		family = 2
	}
	v := binary.BigEndian.AppendUint16([]byte{0, family}, a.Port())
	return append(v, a.Addr().AsSlice()...)
}

// ErrorCode appends ERROR-CODE (section 14.8).
func (s *Stun) ErrorCode(code int) {
	s.Attribute(0x0009, []byte{0, 0, byte(code / 100), byte(code % 100)})
}
