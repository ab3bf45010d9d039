// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"bytes"
	"errors"
)

// ErrNotSIP says that the bytes do not begin with anything that could be meant
// as a SIP start line.
var ErrNotSIP = errors.New("sipparse: no SIP start line: no method or SIP version where one must be")

// StartLine is a Request-Line or a Status-Line (RFC 3261 sections 7.1, 7.2).
type StartLine struct {
	Request    bool
	Method     Method
	MethodName []byte // requests: the token as it stands
	URI        []byte // requests: as it stands, white space inside included
	Status     int    // responses: 0 if the status code cannot be read
	Reason     []byte // responses
	Version    []byte // "SIP/2.0", or what stands there; nil if missing
	Defects    Defects
}

var (
	wordSIP20  = key8(" SIP/2.0")
	wordStatus = key8("SIP/2.0 ")
)

// quickStart reads a start line in its usual form, a method that has a
// constant and one SP between the elements, and returns the start of the next
// line; or 0, and then sl is as it was.
func quickStart(b []byte, sl *StartLine) int {
	if len(b) < 32 {
		return 0
	}
	x := word(b, 0)
	if x == wordStatus {
		return quickStatus(b, sl)
	}
	m := maskEqual(x, ' ')
	if m == 0 {
		return 0
	}
	n := firstByte(m)
	method := shortMethod(x & before(m))
	if method == MethodUnknown {
		return 0
	}
	u := n + 1
	v := u
	for ; v+16 <= len(b); v += 8 {
		if m := maskBelow(word(b, v), '!'); m != 0 {
			v += firstByte(m)
			break
		}
	}
	if v+10 > len(b) || v == u || word(b, v) != wordSIP20 || b[v+8] != '\r' || b[v+9] != '\n' || b[u] == '<' {
		return 0
	}
	sl.Request, sl.Method, sl.MethodName = true, method, b[:n]
	sl.URI, sl.Version = b[u:v], b[v+1:v+8]
	return v + 10
}

func quickStatus(b []byte, sl *StartLine) int {
	d1, d2, d3 := b[8]-'0', b[9]-'0', b[10]-'0'
	if d1-1 > 5 || d2 > 9 || d3 > 9 || b[11] != ' ' {
		return 0
	}
	end := control(b, 12)
	if end+1 >= len(b) || b[end] != '\r' || b[end+1] != '\n' {
		return 0
	}
	sl.Status = int(d1)*100 + int(d2)*10 + int(d3)
	sl.Version, sl.Reason = b[:7], b[12:end]
	return end + 2
}

// parseStart reads the line b[i:end] as a start line and reports whether it
// can be one. Offsets in sl.Defects are indices into b.
func parseStart(b []byte, i, end int, sl *StartLine) bool {
	if end-i >= 7 && (b[i] == 'S' || b[i] == 's') && isVersion(b[i:end]) {
		return parseStatus(b, i, end, sl)
	}
	return parseRequest(b, i, end, sl)
}

// isVersion reports whether b begins with "SIP/", in any case.
func isVersion(b []byte) bool {
	return len(b) >= 4 && b[3] == '/' && foldEqual(b[:3], "sip")
}

func parseRequest(b []byte, i, end int, sl *StartLine) bool {
	m := run(b[:end], i, classToken)
	if m == end {
		return false
	}
	if !isBlank(b[m]) {
		// Not a token, yet printable: a method that nobody may use.
		for m < end && b[m] > ' ' && b[m] < 0x7f {
			m++
		}
		if m == end || !isBlank(b[m]) || b[m-1] == ':' {
			return false
		}
		sl.Defects.add(CodeMethodInvalid, i)
	}
	if m == i {
		return false
	}
	sl.Request, sl.MethodName = true, b[i:m]
	sl.Method = LookupMethod(sl.MethodName)

	u, v := m+1, end
	if end-m > 9 && word(b, end-8) == wordSIP20 { // the usual end of the line
		sl.Version, v = b[end-7:end], end-8
	} else if v = lastWord(b, u, end, sl); v < 0 {
		return false
	}
	if b[m] != ' ' || u < v && (isBlank(b[u]) || isBlank(b[v-1])) {
		sl.Defects.add(CodeStartSpace, m)
		for u < v && isBlank(b[u]) {
			u++
		}
		for u < v && isBlank(b[v-1]) {
			v--
		}
	}
	sl.URI = b[u:max(u, v)]
	checkRequestURI(sl, u)
	return true
}

// lastWord finds the version at the end of a request line that does not end
// in exactly " SIP/2.0". It returns where the Request-URI ends, or -1 if this
// is no request line: the version may be missing only if a SIP URI is there.
func lastWord(b []byte, u, end int, sl *StartLine) int {
	e := end
	for e > u && isBlank(b[e-1]) {
		e--
	}
	if e < end {
		sl.Defects.add(CodeStartTrailing, e)
	}
	w := e
	for w > u && !isBlank(b[w-1]) {
		w--
	}
	if isVersion(b[w:e]) && w >= u {
		sl.Version = b[w:e]
		if !bytes.Equal(sl.Version, []byte("SIP/2.0")) {
			sl.Defects.add(CodeVersionUnknown, w)
		}
		if w == u {
			return u
		}
		if b[w-1] != ' ' {
			sl.Defects.add(CodeStartSpace, w-1)
		}
		return w - 1
	}
	if uri := b[u:e]; len(uri) > 4 && (foldEqual(uri[:4], "sip:") || foldEqual(uri[:5], "sips:")) {
		sl.Defects.add(CodeVersionUnknown, e)
		return e
	}
	return -1
}

// checkRequestURI records what a Request-URI must not be (RFC 3261 section
// 7.1: no brackets, no white space; section 19.1.1: no headers).
func checkRequestURI(sl *StartLine, at int) {
	uri := sl.URI
	if len(uri) == 0 {
		sl.Defects.add(CodeURIInvalid, at)
		return
	}
	if uri[0] == '<' {
		sl.Defects.add(CodeURIBrackets, at)
	}
	for j, c := range uri {
		if isBlank(c) {
			sl.Defects.add(CodeURISpace, at+j)
		} else if c < ' ' {
			sl.Defects.add(CodeURIInvalid, at+j)
		}
	}
}

func parseStatus(b []byte, i, end int, sl *StartLine) bool {
	v := i
	for v < end && !isBlank(b[v]) {
		v++
	}
	s := v
	for s < end && isBlank(b[s]) {
		s++
	}
	if s == end || b[s]-'0' > 9 { // "SIP/2.0 " and no digit: nothing to hold on to
		return false
	}
	sl.Version = b[i:v]
	if !bytes.Equal(sl.Version, []byte("SIP/2.0")) {
		sl.Defects.add(CodeVersionUnknown, i)
	}
	if s != v+1 || b[v] != ' ' {
		sl.Defects.add(CodeStartSpace, v)
	}
	e, n, code := number(b[:end], s, 699)
	if code != CodeNone || n < 100 || e-s != 3 || e < end && !isBlank(b[e]) {
		sl.Defects.add(CodeStatusInvalid, s)
		n = 0
	}
	sl.Status = int(n)
	for e < end && !isBlank(b[e]) {
		e++
	}
	if e < end {
		e++
	} else {
		sl.Defects.add(CodeStartSpace, e) // RFC 3261 section 7.2: SP also before an empty reason
	}
	sl.Reason = b[e:end]
	return true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
