// SPDX-License-Identifier: Apache-2.0

package track

import "bytes"

// sniffBytes is how much of a beginning decides.
const sniffBytes = 64

// leadingMax is how many bytes of keep-alive may come before it.
const leadingMax = 8

// verdict is what is known about a connection or socket.
type verdict uint8

const (
	undecided verdict = iota
	isSIP
	isTLS
	notSIP
)

// sniff judges the first bytes as the programs in the kernel do, so that both
// find the same connections: a status line, or a method and a URI scheme that
// SIP requests carry. It returns undecided if nothing speaks against SIP yet.
func sniff(b []byte) verdict {
	b = b[:min(len(b), sniffBytes)]
	if bytes.HasPrefix(b, []byte{0x16, 0x03}) {
		return isTLS
	}
	start := 0
	for start < len(b) && (b[start] == '\r' || b[start] == '\n') {
		if start++; start == leadingMax {
			break
		}
	}
	b, room := b[start:], sniffBytes-start
	for i, c := range b {
		switch {
		case c == ' ' && i == 0:
			return notSIP
		case c == ' ' && i == 7 && bytes.EqualFold(b[:4], []byte("SIP/")) && string(b[4:7]) == "2.0":
			return isSIP
		case c == ' ':
			return sniffScheme(b[i+1:], room-i-1)
		case c < ' ' || c >= 0x7f:
			return notSIP
		}
	}
	return undecided
}

var schemes = []string{"sip:", "sips:", "tel:", "urn:", "pres:", "im:"}

// sniffScheme judges the Request-URI, for which there is so much room.
func sniffScheme(b []byte, room int) verdict {
	switch {
	case room < 5:
		return notSIP
	case len(b) < 5:
		return undecided
	}
	for _, s := range schemes {
		if bytes.EqualFold(b[:len(s)], []byte(s)) {
			return isSIP
		}
	}
	return notSIP
}
