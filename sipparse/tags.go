// SPDX-License-Identifier: Apache-2.0

package sipparse

import "bytes"

// TagList iterates over option tags or other tokens in a list: Supported,
// Require, Proxy-Require, Allow.
type TagList struct {
	b    []byte
	pos  int
	base int
	// Defects has empty elements and elements that are not tokens.
	Defects Defects
}

// Tags iterates over a list of tokens; offsets count from the start of value.
func Tags(value []byte) TagList { return TagList{b: value} }

// Tags iterates over the tokens of a field; offsets count from the start of
// the message.
func (h *Header) Tags() TagList { return TagList{b: h.Value, base: h.ValueOffset} }

// Next returns the next element, or nil after the last. An empty list is legal
// (RFC 3261 section 20.37).
func (l *TagList) Next() []byte {
	// The usual element has a comma and one space in front, and a comma or nothing
	// behind it.
	if b, s := l.b, l.pos; s < len(b) {
		if b[s] == ',' && s > 0 && s+1 < len(b) && b[s+1] == ' ' {
			s += 2
		}
		if e := run(b, s, classToken); e > s && (e == len(b) || b[e] == ',') {
			l.pos = e
			return b[s:e]
		}
	}
	if l.pos == 0 && (len(l.b) == 0 || skipLWS(l.b, 0) == len(l.b)) {
		return nil
	}
	s := nextElement(l.b, l.pos, l.base, &l.Defects)
	if s < 0 {
		l.pos = len(l.b)
		return nil
	}
	i := run(l.b, s, classToken)
	e := i
	if i < len(l.b) && l.b[i] != ',' {
		i = skipLWS(l.b, i)
	}
	if i < len(l.b) && l.b[i] != ',' {
		l.Defects.add(CodeJunk, l.base+i)
		for i < len(l.b) && l.b[i] != ',' {
			i++
		}
		_, e = trimLWS(l.b, s, i)
	}
	l.pos = i
	return l.b[s:e]
}

// HasTag reports whether tag, in any case, is an element of the list in value.
func HasTag(value []byte, tag string) bool {
	for i := 0; len(value)-i >= len(tag) && tag != ""; i++ {
		if i = skipLWS(value, i); i == len(value) {
			return false
		}
		if end := i + len(tag); end <= len(value) && value[i]|0x20 == tag[0]|0x20 && foldEqualAny(value[i:end], tag) {
			if end = skipLWS(value, end); end == len(value) || value[end] == ',' {
				return true
			}
		}
		comma := bytes.IndexByte(value[i:], ',')
		if comma < 0 {
			return false
		}
		did(comma)
		i += comma
	}
	return false
}
