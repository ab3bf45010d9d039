// SPDX-License-Identifier: Apache-2.0

package sipparse

import "math"

// NumParam is a number that may be there, may have a value, and may be right.
// A bare `keep` is Present and not HasValue; `keep=30s` is Present, HasValue
// and not Valid. N counts only if Valid, except that a number above the range
// saturates N at the limit and leaves Valid false.
type NumParam struct {
	Present, HasValue, Valid bool
	N                        uint32
}

// ParseDelta reads delta-seconds (RFC 3261 section 25.1) from the value of
// Expires, Flow-Timer, Retry-After and their like: digits, then nothing, a
// parameter or a comment. A value above 2^32-1 saturates and is not Valid.
func ParseDelta(value []byte) NumParam {
	if k := len(value); k > 0 && cap(value) >= 8 { // the usual: a few digits and nothing else
		if n, count := digits(word(value, 0)); count == k {
			return NumParam{Present: true, HasValue: true, Valid: true, N: n}
		}
	}
	n, _ := parseNumber(value, math.MaxUint32)
	return n
}

// parseNumber is ParseDelta up to limit, and says what is wrong.
func parseNumber(value []byte, limit uint32) (NumParam, Code) {
	i, j := trimLWS(value, 0, len(value))
	n := NumParam{Present: true, HasValue: j > i}
	end, v, code := number(value[:j], i, limit)
	n.N = v
	if code != CodeNone {
		return n, code
	}
	end = skipLWS(value[:j], end)
	if end < j && value[end] != ';' && value[end] != '(' {
		n.N = 0
		return n, CodeNumberInvalid
	}
	n.Valid = true
	return n, CodeNone
}

// number reads digits at b[i:] up to limit. It returns the index after the
// digits, the number (limit if it is above), and what is wrong.
func number(b []byte, i int, limit uint32) (int, uint32, Code) {
	start, n := i, uint64(0)
	for i < len(b) && b[i]-'0' <= 9 {
		if n <= uint64(limit) { // above it only the end of the digits matters
			n = n*10 + uint64(b[i]-'0')
		}
		i++
	}
	switch {
	case i == start:
		return i, 0, CodeNumberInvalid
	case n > uint64(limit):
		return i, limit, CodeNumberOverflow
	}
	return i, uint32(n), CodeNone
}

// numParam makes a NumParam of a parameter value that must be digits alone.
func numParam(b []byte, hasValue bool, limit uint32) (NumParam, Code) {
	n := NumParam{Present: true, HasValue: hasValue}
	if !hasValue {
		return n, CodeNone
	}
	end, v, code := number(b, 0, limit)
	if code == CodeNone && end != len(b) {
		v, code = 0, CodeNumberInvalid
	}
	n.N, n.Valid = v, code == CodeNone
	return n, code
}

// quick stores the number behind the equals sign at b[i], up to limit, or none
// if there is no value, and returns where it ends. It returns -1 if the number is
// there already, or takes more to read.
func (n *NumParam) quick(b []byte, i int, hasValue bool, limit uint32) int {
	if n.Present {
		return -1
	}
	if !hasValue {
		*n = NumParam{Present: true}
		return i
	}
	v, k := digits(word(b, i+1))
	if k == 0 || v > limit {
		return -1
	}
	*n = NumParam{Present: true, HasValue: true, Valid: true, N: v}
	return i + 1 + k
}
