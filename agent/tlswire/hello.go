// SPDX-License-Identifier: Apache-2.0

package tlswire

import (
	"bytes"
	"crypto/sha256"

	"golang.org/x/crypto/cryptobyte"
)

// Extensions (RFC 8446 section 4.2; RFC 9849 for encrypted ClientHellos).
const (
	extServerName = 0
	extALPN       = 16
	extPSK        = 41
	extEarlyData  = 42
	extVersions   = 43
	extECH        = 0xfe0d
)

// retryRandom is the random of a ServerHello that is a HelloRetryRequest (RFC
// 8446 section 4.1.3).
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

// hello is what both hellos begin with.
type hello struct {
	version uint16
	random  []byte
	session cryptobyte.String
}

func (h *hello) read(s *cryptobyte.String) bool {
	return s.ReadUint16(&h.version) && s.ReadBytes(&h.random, 32) && s.ReadUint8LengthPrefixed(&h.session)
}

// extensions calls f for each; a message may end before them. It is false if
// they cannot be read.
func extensions(s *cryptobyte.String, f func(kind uint16, body cryptobyte.String) bool) bool {
	if s.Empty() {
		return true
	}
	var all cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&all) || !s.Empty() {
		return false
	}
	for !all.Empty() {
		var kind uint16
		var body cryptobyte.String
		if !all.ReadUint16(&kind) || !all.ReadUint16LengthPrefixed(&body) || !f(kind, body) {
			return false
		}
	}
	return true
}

// clientHello reads RFC 8446 section 4.1.2.
func (s *Session) clientHello(m cryptobyte.String) bool {
	var h hello
	var suites, compression cryptobyte.String
	if !h.read(&m) || !m.ReadUint16LengthPrefixed(&suites) || !m.ReadUint8LengthPrefixed(&compression) {
		return false
	}
	found := Session{Hello: true}
	if !extensions(&m, func(kind uint16, body cryptobyte.String) bool {
		switch kind {
		case extServerName:
			return serverName(body, &found.SNI)
		case extALPN:
			return protocols(body, &found.Offered)
		case extEarlyData:
			found.Early = true
		case extECH:
			found.ECH = true
		}
		return true
	}) {
		return false
	}
	*s = found
	return true
}

// serverName reads RFC 6066 section 3. A name that is none is passed over.
func serverName(body cryptobyte.String, to *string) bool {
	var list cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&list) || !body.Empty() {
		return false
	}
	for !list.Empty() {
		var kind uint8
		var name cryptobyte.String
		if !list.ReadUint8(&kind) || !list.ReadUint16LengthPrefixed(&name) {
			return false
		}
		if kind == 0 && *to == "" && printable(string(name)) {
			*to = string(name)
		}
	}
	return true
}

// protocolsMax bounds what is kept of an offer.
const protocolsMax = 8

// protocols reads RFC 7301 section 3.1.
func protocols(body cryptobyte.String, to *[]string) bool {
	var list cryptobyte.String
	if !body.ReadUint16LengthPrefixed(&list) || !body.Empty() {
		return false
	}
	for !list.Empty() {
		var name cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&name) {
			return false
		}
		if len(*to) < protocolsMax && printable(string(name)) {
			*to = append(*to, string(name))
		}
	}
	return true
}

// serverHello reads RFC 8446 section 4.1.3. A HelloRetryRequest chooses
// nothing that counts: another ClientHello follows.
func (s *Session) serverHello(m cryptobyte.String) bool {
	var h hello
	var suite uint16
	var compression uint8
	if !h.read(&m) || !m.ReadUint16(&suite) || !m.ReadUint8(&compression) {
		return false
	}
	version, resumed := h.version, Unknown
	var alpn []string
	if !extensions(&m, func(kind uint16, body cryptobyte.String) bool {
		switch kind {
		case extVersions:
			return body.ReadUint16(&version) && body.Empty()
		case extPSK:
			resumed = Yes
		case extALPN:
			return protocols(body, &alpn)
		}
		return true
	}) {
		return false
	}
	if bytes.Equal(h.random, retryRandom[:]) {
		return true
	}
	s.Version, s.Suite = version, suite
	if len(alpn) == 1 {
		s.ALPN = alpn[0]
	}
	if version == TLS13 {
		s.Resumed = max(resumed, No)
	}
	return true
}
