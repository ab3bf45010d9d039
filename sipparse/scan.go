// SPDX-License-Identifier: Apache-2.0

package sipparse

import "encoding/binary"

// Character classes of RFC 3261 section 25.1, one bit each.
const (
	classToken    = 1 << iota // token
	classValue                // runs on in an unquoted parameter value
	classHost                 // runs on in a host or in its port
	classLWS                  // SP, HTAB and, inside a value, the CR and LF of a fold
	classHostName             // letters, digits, '-', '.', '_'
	className                 // token or SP: a display name without quotes
)

var class = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		alnum := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
		lws := b == ' ' || b == '\t' || b == '\r' || b == '\n'
		if alnum || contains("-.!%*_+`'~", b) {
			t[c] |= classToken
		}
		if alnum || contains("-.!%*_+`'~ ", b) {
			t[c] |= className
		}
		if !lws && !contains(`;,"`, b) {
			t[c] |= classValue
		}
		if !lws && !contains(`;,"?<>=:`, b) {
			t[c] |= classHost
		}
		if lws {
			t[c] |= classLWS
		}
		if alnum || contains("-._", b) {
			t[c] |= classHostName
		}
	}
	return t
}()

func contains(set string, b byte) bool {
	for i := range len(set) {
		if set[i] == b {
			return true
		}
	}
	return false
}

// run returns the index of the first byte at or after i that is not of class
// c, or len(b).
func run(b []byte, i int, c uint8) int {
	start := i
	for i < len(b) && class[b[i]]&c != 0 {
		i++
	}
	did(i - start)
	return i
}

func skipLWS(b []byte, i int) int {
	start := i
	for i < len(b) && class[b[i]]&classLWS != 0 {
		i++
	}
	did(i - start)
	return i
}

// trimLWS returns the range of b[i:j] without the LWS around it.
func trimLWS(b []byte, i, j int) (int, int) {
	for i < j && class[b[i]]&classLWS != 0 {
		i++
	}
	end := j
	for j > i && class[b[j-1]]&classLWS != 0 {
		j--
	}
	did(end - j)
	return i, j
}

// foldEqual reports whether b equals the lower-case letters and hyphens in
// lower without regard to case.
func foldEqual(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range len(lower) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// foldEqualAny is foldEqual for a string in any case.
func foldEqualAny(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for ; len(s) >= 8 && len(b) >= 8; b, s = b[8:], s[8:] {
		t := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		if foldLetters(binary.LittleEndian.Uint64(b)) != foldLetters(t) {
			return false
		}
	}
	for i := 0; i < len(b) && i < len(s); i++ {
		if c := b[i]; c != s[i] && (c^s[i] != 0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// quotedEnd returns the index after the quoted-string that begins at b[i],
// which is a double quote, and whether the closing quote is there.
func quotedEnd(b []byte, i int) (int, bool) {
	start := i
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			did(i - start)
			return i + 1, true
		}
	}
	did(i - start)
	return len(b), false
}

// isToken reports whether all of b is a token.
func isToken(b []byte) bool { return len(b) > 0 && run(b, 0, classToken) == len(b) }
