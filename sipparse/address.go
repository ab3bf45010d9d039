// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"bytes"
	"math"
)

// Address is a name-addr or addr-spec with the parameters of its header field:
// From, To, Contact, Route, Record-Route, Path and their like (RFC 3261
// sections 20.10, 25.1).
type Address struct {
	DisplayName []byte // without quotes, escapes left in
	URI         []byte // without brackets
	URIParts           // of URI
	Wildcard    bool   // Contact: *
	Bracketed   bool   // URI stood in angle brackets
	Tag         []byte
	Expires     NumParam
	RegID       NumParam // RFC 5626
	Instance    []byte   // +sip.instance without quotes and angle brackets: a URN
	Params      []byte   // all header parameters from the first semicolon on
	Raw         []byte   // the whole element
	Offset      int      // of Raw
	Defects     Defects
}

// AddressList iterates over the addresses of one field.
type AddressList struct {
	b    []byte
	pos  int
	base int
	// Defects has the empty elements.
	Defects Defects
}

// Addresses iterates over the value of a field that is a list of addresses;
// offsets count from its start.
func Addresses(value []byte) AddressList { return AddressList{b: value} }

// Addresses iterates over the addresses of a field; offsets count from the
// start of the message.
func (h *Header) Addresses() AddressList { return AddressList{b: h.Value, base: h.ValueOffset} }

// Next reads the next address into a, all of whose fields it sets, and reports
// whether there was one.
func (l *AddressList) Next(a *Address) bool {
	i := l.pos
	if i > 0 || len(l.b) == 0 || l.b[0] <= ',' { // not simply the first
		if i > 0 && i == len(l.b) {
			return false
		}
		if i = nextElement(l.b, i, l.base, &l.Defects); i < 0 {
			l.pos = len(l.b)
			return false
		}
	}
	l.pos = a.parse(l.b, i, l.base, true)
	return true
}

// ParseAddress reads the value of From or To, which is one address: a comma
// does not end it.
func ParseAddress(value []byte, a *Address) { a.parse(value, skipLWS(value, 0), 0, false) }

// Address reads the value of From or To, as [ParseAddress]; offsets count from
// the start of the message.
func (h *Header) Address(a *Address) { a.parse(h.Value, 0, h.ValueOffset, false) }

func (a *Address) parse(b []byte, i, base int, list bool) int {
	*a = Address{}
	end := a.quick(b, i)
	if end < 0 || !list && end < len(b) { // quick stops at a comma
		*a = Address{}
		end = a.slow(b, i, base, list)
	}
	a.Offset = base + i
	return end
}

// slow reads the address at b[i:] in whatever form it has, and returns where it
// ends.
func (a *Address) slow(b []byte, i, base int, list bool) int {
	start := i
	i = a.locate(b, i, base, list)
	if len(a.URI) > 0 && !a.Wildcard {
		a.URIParts.parse(a.URI, base+offsetIn(b, a.URI), &a.Defects)
	}
	p := i
	i = a.params(b, i, base, list)
	_, end := trimLWS(b, start, i)
	if p = skipLWS(b[:end], p); p < end && b[p] == ';' {
		a.Params = b[p:end]
	}
	a.Raw = b[start:end]
	return i
}

// locate finds the display name and the URI and returns the index after them.
func (a *Address) locate(b []byte, i, base int, list bool) int {
	start := i
	if i < len(b) && b[i] == '"' {
		end, closed := quotedEnd(b, i)
		if closed {
			a.DisplayName = b[i+1 : end-1]
			i = skipLWS(b, end)
			if i < len(b) && b[i] == '<' {
				return a.bracketed(b, i, base, list)
			}
			a.Defects.add(CodeDisplayName, base+end)
		} else {
			// The quote never ends: what is in brackets is still the URI.
			a.Defects.add(CodeQuoteOpen, base+i)
			did(len(b) - i)
			if j := bytes.IndexByte(b[i:], '<'); j >= 0 {
				_, e := trimLWS(b, i+1, i+j)
				a.DisplayName = b[i+1 : max(e, i+1)]
				return a.bracketed(b, i+j, base, list)
			}
			i++
		}
		start = i
	}
	for i < len(b) && b[i] != '<' && b[i] != ';' && !(list && b[i] == ',') {
		i++
	}
	did(i - start)
	if i < len(b) && b[i] == '<' {
		if i > start {
			_, e := trimLWS(b, start, i)
			a.DisplayName = b[start:e]
			if !isTokens(a.DisplayName) {
				a.Defects.add(CodeDisplayName, base+start)
			}
		}
		return a.bracketed(b, i, base, list)
	}
	s, e := trimLWS(b, start, i)
	a.URI = b[s:e]
	switch {
	case len(a.URI) == 0:
		a.Defects.add(CodeValueEmpty, base+s)
	case len(a.URI) == 1 && a.URI[0] == '*':
		a.Wildcard = true
	default:
		// RFC 3261 section 20: a URI with ? or , must be in brackets.
		did(len(a.URI))
		for j, c := range a.URI {
			if c == '?' || c == ',' {
				a.Defects.add(CodeURIHeaders, base+s+j)
			} else if class[c]&classLWS != 0 {
				a.Defects.add(CodeURISpace, base+s+j)
			}
		}
	}
	return i
}

// bracketed reads <URI> at b[i].
func (a *Address) bracketed(b []byte, i, base int, list bool) int {
	a.Bracketed = true
	s, next := i+1, 0
	e := s
	// No other bracket can be in a URI; to stop there keeps the work linear in a
	// list of open ones.
	rest := b[s:]
	if j := bytes.IndexByte(rest, '<'); j >= 0 {
		rest = rest[:j]
	}
	did(len(rest))
	if j := bytes.IndexByte(rest, '>'); j >= 0 {
		e = s + j
		next = e + 1
	} else {
		a.Defects.add(CodeBracketOpen, base+i)
		for e < len(b) && b[e] != ';' && class[b[e]]&classLWS == 0 && !(list && b[e] == ',') {
			e++
		}
		next = e
	}
	ts, te := trimLWS(b, s, e)
	if ts != s || te != e {
		a.Defects.add(CodeAddrSpace, base+s)
	}
	a.URI = b[ts:te]
	if len(a.URI) == 0 {
		a.Defects.add(CodeURIInvalid, base+s)
	}
	return next
}

func isTokens(b []byte) bool {
	for _, c := range b {
		if class[c]&(classToken|classLWS) == 0 {
			return false
		}
	}
	return true
}

func (a *Address) params(b []byte, i, base int, list bool) int {
	var p param
	for i < len(b) {
		i = nextParam(b, i, base, list, &p, &a.Defects)
		if p.done {
			break
		}
		name := b[p.name:p.nameEnd]
		switch len(name) {
		case 3:
			if foldEqual(name, "tag") {
				if a.Tag != nil {
					a.Defects.add(CodeParamDuplicate, base+p.name)
				} else if a.Tag = p.text(b); len(a.Tag) == 0 {
					a.Defects.add(CodeValueEmpty, base+p.name)
				}
			}
		case 6:
			if foldEqual(name, "reg-id") {
				p.number(b, &a.RegID, math.MaxInt32, base, &a.Defects)
			}
		case 7:
			if foldEqual(name, "expires") {
				p.number(b, &a.Expires, math.MaxUint32, base, &a.Defects)
			}
		case 13:
			if foldEqual(name, "+sip.instance") {
				if a.Instance != nil {
					a.Defects.add(CodeParamDuplicate, base+p.name)
					break
				}
				a.Instance = p.text(b)
				if n := len(a.Instance); n >= 2 && a.Instance[0] == '<' && a.Instance[n-1] == '>' {
					a.Instance = a.Instance[1 : n-1]
				}
			}
		}
	}
	return i
}
