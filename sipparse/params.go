// SPDX-License-Identifier: Apache-2.0

package sipparse

// param is one generic-param as offsets: ;name or ;name=value.
type param struct {
	name, nameEnd   int
	value, valueEnd int // inside the quotes if quoted
	hasValue        bool
	quoted          bool
	done            bool // the element ended instead
}

// nextParam reads the parameter at b[i], which is LWS, a semicolon, junk, or
// the end of the element: end of b, or, in a list, a comma. It returns the
// index after the parameter, or that of the end with p.done set. Each call
// moves on, so a loop over it ends.
func nextParam(b []byte, i, base int, list bool, p *param, d *Defects) int {
	*p = param{}
	for {
		if i < len(b) && b[i] != ';' {
			i = skipLWS(b, i)
		}
		if i >= len(b) || list && b[i] == ',' {
			p.done = true
			return i
		}
		if b[i] != ';' {
			d.add(CodeJunk, base+i)
			i = skipJunk(b, i, list)
			continue
		}
		i++
		if i < len(b) && class[b[i]]&classLWS != 0 {
			i = skipLWS(b, i)
		}
		s := i
		for i < len(b) && class[b[i]]&classToken != 0 {
			i++
		}
		if i > s {
			p.name, p.nameEnd = s, i
			break
		}
		if i >= len(b) || b[i] == ';' || b[i] == ',' && list { // ";;" or a semicolon at the end
			d.add(CodeParamInvalid, base+i-1)
			continue
		}
		// A name that is not a token: read on to where it can end.
		for i < len(b) && b[i] != '=' && class[b[i]]&classValue != 0 {
			i++
		}
		d.add(CodeParamInvalid, base+s)
		if i > s {
			p.name, p.nameEnd = s, i
			break
		}
		i = skipJunk(b, i, list)
	}
	if i < len(b) && b[i] != ';' && b[i] != '=' {
		// "name = value" has LWS around the sign; a name with other bytes in it
		// is read to its end.
		if class[b[i]]&classLWS == 0 && b[i] != ',' {
			d.add(CodeParamInvalid, base+p.name)
			for i < len(b) && b[i] != '=' && class[b[i]]&classValue != 0 {
				i++
			}
			p.nameEnd = i
		}
		i = skipLWS(b, i)
	}
	if i >= len(b) || b[i] != '=' {
		return i
	}
	return p.readValue(b, i+1, base, list, d)
}

func (p *param) readValue(b []byte, i, base int, list bool, d *Defects) int {
	if i < len(b) && class[b[i]]&classLWS != 0 {
		i = skipLWS(b, i)
	}
	p.hasValue = true
	if i < len(b) && b[i] == '"' {
		end, closed := quotedEnd(b, i)
		p.quoted, p.value, p.valueEnd = true, i+1, end
		if closed {
			p.valueEnd = end - 1
		} else {
			d.add(CodeQuoteOpen, base+i)
		}
		return end
	}
	p.value = i
	for i < len(b) && (class[b[i]]&classValue != 0 || b[i] == ',' && !list) {
		i++
	}
	p.valueEnd = i
	did(i - p.value)
	if p.value == i {
		d.add(CodeValueEmpty, base+i)
	}
	return i
}

// skipJunk moves from b[i] past at least one byte to the next semicolon or,
// in a list, comma.
func skipJunk(b []byte, i int, list bool) int {
	for {
		did(1)
		if b[i] == '"' {
			i, _ = quotedEnd(b, i)
		} else {
			i++
		}
		if i >= len(b) || b[i] == ';' || b[i] == ',' && list {
			return i
		}
	}
}

func (p *param) text(b []byte) []byte { return b[p.value:p.valueEnd] }

// number stores the parameter as a number up to limit; the first of its name
// counts.
func (p *param) number(b []byte, n *NumParam, limit uint32, base int, d *Defects) {
	if n.Present {
		d.add(CodeParamDuplicate, base+p.name)
		return
	}
	var code Code
	*n, code = numParam(p.text(b), p.hasValue, limit)
	if p.quoted { // digits, not a quoted-string, in every grammar that has such a parameter
		n.N, n.Valid, code = 0, false, CodeNumberInvalid
	}
	if code != CodeNone {
		d.add(code, base+p.value)
	}
}

// host stores the parameter as a host, without the brackets of an IPv6
// reference; both forms occur in received (RFC 5118 section 4.5).
func (p *param) host(b []byte, h *[]byte, base int, d *Defects) {
	if *h != nil {
		d.add(CodeParamDuplicate, base+p.name)
		return
	}
	v := p.text(b)
	if n := len(v); n >= 2 && v[0] == '[' && v[n-1] == ']' {
		v = v[1 : n-1]
	}
	if len(v) == 0 {
		d.add(CodeValueEmpty, base+p.name)
	}
	*h = v
}

// nextElement returns the index of the next list element at or after b[i],
// recording empty ones, or -1. i is 0 at the first element, and after an
// element the index of the comma behind it.
func nextElement(b []byte, i, base int, d *Defects) int {
	first, commas := i == 0, 0
	for ; i < len(b); i++ {
		did(1)
		if b[i] == ',' {
			if commas++; commas > 1 || first {
				d.add(CodeListEmpty, base+i)
			}
		} else if class[b[i]]&classLWS == 0 {
			return i
		}
	}
	if first || commas > 0 {
		d.add(CodeListEmpty, base+i)
	}
	return -1
}

// ParamList iterates over parameters: ;name=value;name...
type ParamList struct {
	b   []byte
	pos int
	// Defects counts offsets from the start of the parameters.
	Defects Defects
}

// Param is one parameter. Value has its quotes removed, its escapes left in.
type Param struct {
	Name, Value      []byte
	HasValue, Quoted bool
}

// Params iterates over the Params of a [Via], an [Address] or a URI.
func Params(params []byte) ParamList { return ParamList{b: params} }

// Next reads the next parameter and reports whether there was one.
func (l *ParamList) Next(out *Param) bool {
	var p param
	l.pos = nextParam(l.b, l.pos, 0, false, &p, &l.Defects)
	if p.done {
		return false
	}
	*out = Param{Name: l.b[p.name:p.nameEnd], HasValue: p.hasValue, Quoted: p.quoted}
	if p.hasValue {
		out.Value = p.text(l.b)
	}
	return true
}
