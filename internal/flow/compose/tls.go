// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Handshake is one of TLS 1.2 or 1.3, as it looks on the wire.
type Handshake struct {
	Version string   // 1.2 or 1.3
	SNI     string   // none if empty
	Server  []string // names in the server's certificate: DNS names, URIs, CN=NAME
	Asked   bool     // the server asks for a certificate
	Client  []string // names in it; none is shown if there are none
	Resumed bool
}

// Flight is what one side says at once.
type Flight struct {
	Client bool
	Bytes  []byte
}

// Types of records, and of messages of the handshake (RFC 5246).
const (
	changeCipherSpec = 20
	alertRecord      = 21
	handshakeRecord  = 22
	applicationData  = 23
)

// Alert is an encrypted alert of TLS 1.2, as AES-GCM makes it.
func Alert() []byte { return record(alertRecord, make([]byte, 8+2+16)) }

// Flights returns what is said. All random bytes are alike, and what is
// encrypted is zeros.
func (h *Handshake) Flights() ([]Flight, error) {
	if h.Version == "1.3" {
		hidden := record(applicationData, make([]byte, 64))
		return []Flight{
			{true, record(handshakeRecord, h.clientHello())},
			{false, slices.Concat(record(handshakeRecord, h.serverHello()), record(changeCipherSpec, []byte{1}), hidden)},
			{true, slices.Concat(record(changeCipherSpec, []byte{1}), hidden)},
		}, nil
	}
	last := slices.Concat(record(changeCipherSpec, []byte{1}), record(handshakeRecord, make([]byte, 8+16+16)))
	hello := Flight{true, record(handshakeRecord, h.clientHello())}
	answer := record(handshakeRecord, h.serverHello())
	if h.Resumed {
		return []Flight{hello, {false, append(answer, last...)}, {true, last}}, nil
	}
	shown, err := certificate(h.Server)
	if err != nil {
		return nil, err
	}
	answer = append(answer, record(handshakeRecord, shown)...)
	var mine []byte
	if h.Asked {
		request := message(13, []byte{1, 64, 0, 2, 4, 3, 0, 0}) // ECDSA, with SHA-256, of any issuer
		answer = append(answer, record(handshakeRecord, request)...)
		if shown, err = certificate(h.Client); err != nil {
			return nil, err
		}
		mine = record(handshakeRecord, shown)
	}
	answer = append(answer, record(handshakeRecord, message(14, nil))...)
	exchange := record(handshakeRecord, message(16, make([]byte, 33)))
	return []Flight{hello, {false, answer}, {true, slices.Concat(mine, exchange, last)}, {false, last}}, nil
}

func record(kind byte, b []byte) []byte {
	return append([]byte{kind, 3, 3, byte(len(b) >> 8), byte(len(b))}, b...)
}

func message(kind byte, b []byte) []byte {
	return append([]byte{kind, byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}, b...)
}

// long puts the length in two bytes in front.
func long(b ...byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }

func extension(kind byte, b []byte) []byte { return append([]byte{0, kind}, long(b...)...) }

// opening is what both hellos begin with: version, random, session.
func (h *Handshake) opening() []byte {
	b := append([]byte{3, 3}, make([]byte, 32)...)
	if h.Resumed {
		return append(append(b, 32), make([]byte, 32)...)
	}
	return append(b, 0)
}

func (h *Handshake) clientHello() []byte {
	var extensions []byte
	if h.SNI != "" {
		extensions = append(extensions, extension(0, long(append([]byte{0}, long([]byte(h.SNI)...)...)...))...)
	}
	if h.Version == "1.3" {
		extensions = append(extensions, extension(43, []byte{2, 3, 4})...)
	}
	b := append(h.opening(), long(0x13, 0x01, 0xc0, 0x2b)...)
	return message(1, slices.Concat(b, []byte{1, 0}, long(extensions...)))
}

func (h *Handshake) serverHello() []byte {
	if h.Version == "1.3" {
		extensions := extension(43, []byte{3, 4})
		if h.Resumed {
			extensions = append(extensions, extension(41, []byte{0, 0})...)
		}
		return message(2, slices.Concat(h.opening(), []byte{0x13, 0x01, 0}, long(extensions...)))
	}
	return message(2, append(h.opening(), 0xc0, 0x2b, 0))
}

// certificate is the message with one that has the names, or with none.
func certificate(names []string) ([]byte, error) {
	if len(names) == 0 {
		return message(11, []byte{0, 0, 0}), nil
	}
	der, err := selfSigned(names)
	if err != nil {
		return nil, err
	}
	one := message(0, der)[1:] // three bytes of length
	return message(11, message(0, one)[1:]), nil
}

// selfSigned is the same for the same names: Ed25519 signs without chance.
func selfSigned(names []string) ([]byte, error) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, n := range names {
		if common, ok := strings.CutPrefix(n, "CN="); ok {
			template.Subject = pkix.Name{CommonName: common}
		} else if u, err := url.Parse(n); err == nil && u.Scheme != "" {
			template.URIs = append(template.URIs, u)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("a certificate of %s: %w", strings.Join(names, ", "), err)
	}
	return der, nil
}
