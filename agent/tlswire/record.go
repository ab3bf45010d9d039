// SPDX-License-Identifier: Apache-2.0

// Package tlswire reads what a TLS connection shows to somebody without its
// keys: the records by type and length, and as much of the handshake as goes
// in the clear, which in TLS 1.2 are the certificates too.
//
// All of it was written by strangers: whatever cannot be read, or does not fit,
// is left out, and then says nothing.
package tlswire

// Types of records (RFC 8446 section 5.1).
const (
	ChangeCipherSpec = 20
	Alert            = 21
	handshakeRecord  = 22
	ApplicationData  = 23
)

// Versions, as the handshake writes them.
const (
	TLS10 = 0x0301
	TLS12 = 0x0303
	TLS13 = 0x0304
)

const (
	headerBytes = 5
	// lengthMax is the longest record (RFC 5246 section 6.2.3); plaintextMax
	// what it may hold, and FullPlaintext what a sender puts into each but the
	// last if it has more.
	lengthMax     = 16384 + 2048
	FullPlaintext = 16384
)

// Record is the header of one record.
type Record struct {
	Type    uint8
	Version uint16
	Length  int // of what follows the header
}

// ReadHeader reads the header that b begins with; ok is false if b is too short
// for one, or is something else.
func ReadHeader(b []byte) (r Record, ok bool) {
	if len(b) < headerBytes {
		return r, false
	}
	r = Record{Type: b[0], Version: uint16(b[1])<<8 | uint16(b[2]), Length: int(b[3])<<8 | int(b[4])}
	return r, r.Type >= ChangeCipherSpec && r.Type <= ApplicationData && b[1] == 3 && b[2] <= 4 && r.Length <= lengthMax
}
