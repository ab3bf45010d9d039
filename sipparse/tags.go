// SPDX-License-Identifier: Apache-2.0

package sipparse

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
	for i := 0; i < len(value); {
		// The usual list has the tag, a comma or nothing behind it, and at most
		// one space in front.
		e := run(value, i, classToken)
		if e > i && (e == len(value) || value[e] == ',') {
			if foldEqualAny(value[i:e], tag) {
				return true
			}
			if i = e + 1; i < len(value) && value[i] == ' ' {
				i++
			}
			continue
		}
		l := TagList{b: value, pos: i}
		for t := l.Next(); t != nil; t = l.Next() {
			if foldEqualAny(t, tag) {
				return true
			}
		}
		return false
	}
	return false
}
