// SPDX-License-Identifier: Apache-2.0

package tlswire

// Overhead returns by how many bytes a record of application data is longer
// than its plaintext. ok is false where that depends on more than the cipher
// suite, as with ciphers that pad to blocks, and for suites that are not known.
func Overhead(version, suite uint16) (bytes int, ok bool) {
	// RFC 8446 section 5.2: the tag of the AEAD, and the type of the content.
	if version == TLS13 {
		switch {
		case suite >= 0x1301 && suite <= 0x1304:
			return 16 + 1, true
		case suite == 0x1305: // AES-CCM with a short tag
			return 8 + 1, true
		}
		return 0, false
	}
	if version != TLS12 { // no AEAD before
		return 0, false
	}
	const nonce = 8 // RFC 5288 section 3, RFC 6655 section 3
	switch {
	case in(suite, 0xCCA8, 0xCCAE): // ChaCha20-Poly1305: RFC 7905 section 2, no nonce in the record
		return 16, true
	case in(suite, 0x009C, 0x00AD), in(suite, 0xC02B, 0xC032), in(suite, 0xD001, 0xD002): // AES-GCM
		return nonce + 16, true
	case in(suite, 0xC050, 0xC063), in(suite, 0xC06A, 0xC06F): // ARIA-GCM: RFC 6209
		return nonce + 16, true
	case in(suite, 0xC07A, 0xC093): // Camellia-GCM: RFC 6367
		return nonce + 16, true
	case in(suite, 0xC09C, 0xC09F), in(suite, 0xC0A4, 0xC0A7), in(suite, 0xC0AC, 0xC0AD), suite == 0xD005: // AES-CCM
		return nonce + 16, true
	case in(suite, 0xC0A0, 0xC0A3), in(suite, 0xC0A8, 0xC0AB), in(suite, 0xC0AE, 0xC0AF), suite == 0xD003: // with a short tag
		return nonce + 8, true
	}
	return 0, false
}

func in(suite, first, last uint16) bool { return first <= suite && suite <= last }
