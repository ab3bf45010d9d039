// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"bytes"
	"hash/maphash"
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/lasting"
	"github.com/viaduct-project/viaduct/sipparse"
)

var seed = maphash.MakeSeed()

// Contact is one Contact value of a REGISTER or of its response.
type Contact struct {
	URI      uint64         // which URI, see URIOf
	Place    netip.AddrPort // what it names, if it names an address
	Stream   bool           // its transport is a stream
	Instance uint64         // which +sip.instance, 0 if there is none
	RegID    sipparse.NumParam
	Expires  sipparse.NumParam
	Wildcard bool
	Odd      bool // +sip.instance is not "<urn:uuid:...>" with a UUID of 36 characters, quotes and brackets included
}

// Outbound says whether the contact asks for a flow: it has both an instance
// and a usable reg-id (RFC 5626 sections 6 and 10).
func (c *Contact) Outbound() bool { return c.Instance != 0 && ValidRegID(c.RegID) }

// ValidRegID says whether a reg-id is a number from 1 to 2^31-1.
func ValidRegID(n sipparse.NumParam) bool { return n.Valid && n.N != 0 }

// URIOf maps a SIP URI to the number that stands for it within this process:
// user, host in any case, port and parameters.
func URIOf(u *sipparse.URIParts) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var room [128]byte
	h.Write(address(room[:0], u))
	h.Write(u.URIParams)
	return h.Sum64()
}

// AOROf maps the URI of an address-of-record: parameters do not count. Every
// process comes to the same number.
func AOROf(u *sipparse.URIParts) uint64 {
	var room [128]byte
	return lasting.Hash(address(room[:0], u))
}

// address appends user, host in lower case, and port.
func address(to []byte, u *sipparse.URIParts) []byte {
	to = append(to, u.User...)
	to = append(to, '@')
	for _, c := range u.Host {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		to = append(to, c)
	}
	return append(to, byte(u.Port>>8), byte(u.Port))
}

// read takes a into c, all of whose fields it sets.
func (c *Contact) read(a *sipparse.Address) {
	*c = Contact{RegID: a.RegID, Expires: a.Expires, Wildcard: a.Wildcard}
	if !a.Wildcard {
		c.URI = URIOf(&a.URIParts)
		c.Stream = a.Transport == sipparse.TransportTCP || a.Transport == sipparse.TransportTLS || a.Scheme == sipparse.SchemeSIPS
		c.Place = place(&a.URIParts)
	}
	if len(a.Instance) > 0 {
		c.Instance = instanceOf(a.Instance)
		c.Odd = !UUID(a.Instance) || !enclosed(a)
	}
}

// enclosed says whether the instance stands in angle brackets and quotes.
func enclosed(a *sipparse.Address) bool {
	i := bytes.Index(a.Params, a.Instance)
	return i >= 2 && string(a.Params[i-2:i]) == `"<` && bytes.HasPrefix(a.Params[i+len(a.Instance):], []byte(`>"`))
}

func place(u *sipparse.URIParts) netip.AddrPort {
	if len(u.Host) == 0 || u.Host[0] > '9' && !u.IPv6 {
		return netip.AddrPort{}
	}
	addr, err := netip.ParseAddr(string(u.Host))
	if err != nil {
		return netip.AddrPort{}
	}
	port := u.Port
	if !u.HasPort {
		port = 5060
		if u.Scheme == sipparse.SchemeSIPS {
			port = 5061
		}
	}
	return netip.AddrPortFrom(addr.Unmap(), port)
}

var urnUUID = []byte("urn:uuid:")

// UUID says whether urn is a UUID URN with its 8-4-4-4-12 hexadecimal digits
// (RFC 4122 section 3).
func UUID(urn []byte) bool {
	n := len(urnUUID)
	if len(urn) != n+36 || !bytes.EqualFold(urn[:n], urnUUID) {
		return false
	}
	for i, c := range urn[n:] {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c-'0' > 9 && c|0x20-'a' > 5:
			return false
		}
	}
	return true
}

// instanceOf maps an instance-id. URNs of UUIDs are equal in any case, others
// are compared as they stand but for what RFC 2141 section 5 lets vary: the
// scheme and the namespace.
func instanceOf(urn []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	whole, colons := UUID(urn), 0
	for _, c := range urn {
		if c == ':' {
			colons++
		}
		if 'A' <= c && c <= 'Z' && (whole || colons < 2) {
			c += 'a' - 'A'
		}
		h.WriteByte(c)
	}
	return max(1, h.Sum64())
}
