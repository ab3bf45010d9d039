// SPDX-License-Identifier: Apache-2.0

package sipparse

// paramWord is a parameter whose name, if it has up to eight bytes, is also a
// word of foldWord.
type paramWord struct {
	word            uint64
	name, nameEnd   int
	value, valueEnd int
	hasValue        bool
}

// quickParam reads ;name or ;name=value at b[i] into p, if there is no white
// space and no quote in it, and returns where it ends: at a semicolon, a comma, or the end of b. Otherwise
// it returns -1. w is b with quickSlack bytes behind it.
func quickParam(b, w []byte, i int, p *paramWord) int {
	n := len(b)
	if b[i] != ';' {
		return -1
	}
	i++
	p.name = i
	p.word = 0
	x := word(w, i)
	if m := maskStop(x); m != 0 {
		k := firstByte(m)
		i += k
		p.word = foldWord(x & lowBytes(k))
	} else {
		i += 8
		for i < n && class[b[i]]&classToken != 0 {
			i++
		}
		if i == p.name+8 {
			p.word = foldWord(x)
		}
	}
	p.nameEnd = i
	if i > n || i == p.name {
		return -1
	}
	p.hasValue, p.value, p.valueEnd = false, i, i
	if i < n && b[i] == '=' {
		i++
		p.hasValue, p.value = true, i
		i = min(valueStop(w, i), n)
		p.valueEnd = i
		if i == p.value {
			return -1
		}
	}
	if i < n && b[i] != ';' && b[i] != ',' {
		return -1
	}
	return i
}

// quick stores digits up to limit. It is false if the number is there already,
// or is not digits within the limit.
func (n *NumParam) quick(value []byte, hasValue bool, limit uint32) bool {
	if n.Present || len(value) > 9 {
		return false
	}
	sum := uint32(0)
	for _, c := range value {
		if c-'0' > 9 {
			return false
		}
		sum = sum*10 + uint32(c-'0')
	}
	if sum > limit {
		return false
	}
	*n = NumParam{Present: true, HasValue: hasValue, Valid: hasValue, N: sum}
	return true
}
