// SPDX-License-Identifier: Apache-2.0

package sipparse

import "bytes"

// Verdict is what the first bytes of a stream or datagram say.
type Verdict uint8

const (
	VerdictMore Verdict = iota // it could be SIP, more bytes would tell
	VerdictYes
	VerdictNo
)

// String returns "more", "yes" or "no".
func (v Verdict) String() string { return [...]string{"more", "yes", "no"}[v] }

const (
	maxMethod    = 64   // no method in use is longer, and none as long
	maxStartLine = 8192 // LooksLikeSIP gives up here
)

// LooksLikeSIP judges the first bytes of a stream or datagram. Empty lines in
// front do not count either way. VerdictNo is final; a stream that begins in
// the middle of a message is VerdictNo as well.
func LooksLikeSIP(b []byte) Verdict {
	i := 0
	for i < len(b) && (b[i] == '\r' || b[i] == '\n') {
		i++
	}
	b = b[i:]
	if len(b) == 0 {
		return VerdictMore
	}
	if verdict := looksLikeStatus(b); verdict != VerdictNo {
		return verdict
	}
	m := run(b[:min(len(b), maxMethod)], 0, classToken)
	switch {
	case m == len(b):
		return VerdictMore
	case m == 0 || m == maxMethod || !isBlank(b[m]):
		return VerdictNo
	}
	if LookupMethod(b[:m]) != MethodUnknown && hasSIPScheme(b[m+1:]) {
		return VerdictYes
	}
	end := m
	for end < len(b) && b[end] != '\r' && b[end] != '\n' {
		if b[end] < ' ' && b[end] != '\t' || end == maxStartLine {
			return VerdictNo
		}
		end++
	}
	var sl StartLine
	switch {
	case end == len(b):
		return VerdictMore
	case parseRequest(b, 0, end, &sl):
		return VerdictYes
	}
	return VerdictNo
}

// looksLikeStatus judges b as "SIP/2.0 200".
func looksLikeStatus(b []byte) Verdict {
	const form = "SIP/0.0 000"
	for i := range form {
		if i == len(b) {
			return VerdictMore
		}
		c := b[i]
		if form[i] == '0' && c-'0' > 9 || i < 3 && c&^0x20 != form[i] || form[i] == '/' && c != '/' || form[i] == ' ' && c != ' ' {
			return VerdictNo
		}
	}
	return VerdictYes
}

func hasSIPScheme(b []byte) bool {
	colon := bytes.IndexByte(b[:min(len(b), 5)], ':')
	return colon > 0 && (foldEqual(b[:colon], "sip") || foldEqual(b[:colon], "sips") || foldEqual(b[:colon], "tel"))
}

// resyncWindow bounds how much of a line is looked at for a start line, and so
// what a framer that has lost its place holds.
const resyncWindow = 4096

// findStart returns where in a line, given without its terminator, a start
// line begins, or -1. Unlike parseStart it believes only well-formed ones, as
// there is nothing but the bytes to say that a message begins here; but what
// stands before it in the line may be anything, as a body needs no line end.
func findStart(line []byte) int {
	from := max(0, len(line)-resyncWindow)
	did(len(line) - from)
	for i := from; ; {
		j := bytes.Index(line[i:], []byte("SIP/2.0 "))
		if j < 0 {
			break
		}
		did(8)
		i += j
		if looksLikeStatus(line[i:]) == VerdictYes && line[i+8]-'1' < 6 && (len(line) == i+11 || isBlank(line[i+11])) {
			return i
		}
		i++
	}
	e := len(line)
	for e > from && isBlank(line[e-1]) {
		e--
	}
	if !bytes.HasSuffix(line[from:e], []byte(" SIP/2.0")) {
		return -1
	}
	e -= len(" SIP/2.0")
	u := from + bytes.LastIndexByte(line[from:e], ' ') + 1
	if colon := run(line[:e], u, classToken); u <= from+1 || colon == u || colon == e || line[colon] != ':' {
		return -1
	}
	m := u - 1
	for m > from && u-1-m < maxMethod && class[line[m-1]]&classToken != 0 {
		m--
	}
	if m == u-1 {
		return -1
	}
	if cutMethod(line[m : u-1]) {
		return -1
	}
	return m + knownSuffix(line[m:u-1])
}

// cutMethod reports whether token is what remains of a known method whose
// first bytes were not seen.
func cutMethod(token []byte) bool {
	if LookupMethod(token) != MethodUnknown {
		return false
	}
	for _, name := range methodNames[MethodInvite:] {
		if len(token) < len(name) && string(token) == name[len(name)-len(token):] {
			return true
		}
	}
	return false
}

// glued reports whether the method of a request is a known one behind the rest
// of a body that was longer than its Content-Length.
func glued(sl *StartLine) bool {
	return sl.Request && sl.Method == MethodUnknown && knownSuffix(sl.MethodName) > 0
}

// knownSuffix returns where in token a known method begins that is glued to
// something else, such as the end of a body: "...sendrecvBYE". It is 0 if the
// token is better taken as a whole.
func knownSuffix(token []byte) int {
	for n := 3; n < min(len(token), 10); n++ {
		at := len(token) - n
		if c := token[at-1]; LookupMethod(token[at:]) != MethodUnknown && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return at
		}
	}
	return 0
}
