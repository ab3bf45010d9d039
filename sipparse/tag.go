// SPDX-License-Identifier: Apache-2.0

package sipparse

import "bytes"

// Tag returns the tag of a From or To field, or nil: what [Header.Address] finds
// as Tag, for less.
func (h *Header) Tag() []byte {
	if tag, ok := quickTag(h.Value); ok {
		return tag
	}
	var a Address
	h.Address(&a)
	return a.Tag
}

// quickTag finds the tag if it is the only parameter behind a URI in brackets,
// or if there is none. It is false if it takes more to tell.
func quickTag(b []byte) (tag []byte, ok bool) {
	n := len(b)
	if n == 0 || cap(b)-n < quickSlack {
		return nil, false
	}
	// What is in front of the bracket does not matter, unless it is in quotes or
	// there is no bracket.
	i := 0
	for {
		x := word(b, i)
		if m := maskEqual(x, '<') | maskEqual(x, ';') | maskEqual(x, '"'); m != 0 {
			i += firstByte(m)
			break
		}
		if i += 8; i >= n {
			return nil, false
		}
	}
	did(i)
	if i >= n || b[i] != '<' {
		return nil, false
	}
	j := bytes.IndexByte(b[i:], '>')
	if j < 0 {
		return nil, false
	}
	i += j + 1
	if i == n {
		return nil, true
	}
	value := i + len(";tag=")
	if foldWord(word(b, i)&lowBytes(5)) != wordTagIs || value >= n || valueStop(b, value) != n {
		return nil, false
	}
	return b[value:], true
}
