// SPDX-License-Identifier: Apache-2.0

package sipparse

import "math"

// CSeq is the value of a CSeq field (RFC 3261 section 20.16). N saturates at
// 2^32-1; Valid says that a number in range and a method are there.
type CSeq struct {
	N          uint32
	Method     Method
	MethodName []byte
	Valid      bool
	Defects    Defects
}

// ParseCSeq reads a CSeq value; offsets count from its start.
func ParseCSeq(value []byte) (c CSeq) {
	c.parse(value, 0)
	return c
}

// CSeq reads the value of a CSeq field; offsets count from the start of the
// message.
func (h *Header) CSeq() (c CSeq) {
	c.parse(h.Value, h.ValueOffset)
	return c
}

// ReadCSeq is CSeq without the copy: it sets all of c.
func (h *Header) ReadCSeq(c *CSeq) { c.parse(h.Value, h.ValueOffset) }

func (c *CSeq) parse(b []byte, base int) {
	*c = CSeq{}
	if c.quick(b) {
		return
	}
	s := skipLWS(b, 0)
	i, n, code := number(b, s, math.MaxUint32)
	c.N = n
	if code != CodeNone {
		c.Defects.add(code, base+s)
	} else if n > math.MaxInt32 { // RFC 3261 section 8.1.1.5
		c.Defects.add(CodeCSeqRange, base+s)
	}
	m := skipLWS(b, i)
	if m == i && m < len(b) && code == CodeNone {
		c.Defects.add(CodeNumberInvalid, base+s)
		code = CodeNumberInvalid
		for m < len(b) && class[b[m]]&classLWS == 0 {
			m++
		}
		m = skipLWS(b, m)
	}
	e := run(b, m, classToken)
	c.MethodName = b[m:e]
	c.Method = LookupMethod(c.MethodName)
	switch {
	case e == m:
		c.Defects.add(CodeMethodInvalid, base+m)
	case skipLWS(b, e) != len(b):
		c.Defects.add(CodeJunk, base+e)
	}
	c.Valid = code == CodeNone && e > m
}

// quick reads digits, one SP, and a method that has a constant.
func (c *CSeq) quick(b []byte) bool {
	if cap(b) < 16 || len(b) < 3 {
		return false
	}
	n, i := digits(word(b, 0))
	if i == 0 || i+1 >= len(b) || b[i] != ' ' {
		return false
	}
	i++
	m := MethodUnknown
	if k := len(b) - i; k < 8 {
		m = shortMethod(word(b, i) & lowBytes(k))
	} else {
		m = LookupMethod(b[i:])
	}
	if m == MethodUnknown {
		return false
	}
	c.N, c.Method, c.MethodName, c.Valid = n, m, b[i:], true
	return true
}
