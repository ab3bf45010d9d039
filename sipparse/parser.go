// SPDX-License-Identifier: Apache-2.0

package sipparse

import "encoding/binary"

// Parser walks the head of one message. Call Start, then Next until it is
// false, and between them Header for the fields of interest. The zero value is
// ready; a Parser is a small value that may be copied, and the copy goes on
// from the same place.
type Parser struct {
	msg     []byte
	pos     int // next line
	lf      int // first LF at or after the line looked at last, or len(msg)
	body    int // offset of the body, or -1 while in the head
	cur     Header
	defects Defects
}

// Header is one header field.
type Header struct {
	ID          HeaderID
	Name        []byte // as it stands, without white space around it
	Value       []byte // without white space around it, folds left in
	Offset      int    // of Name, from the start of the message
	ValueOffset int    // of Value, from the start of the message
}

// Start begins a new message and reads its start line; empty lines before it
// are skipped (RFC 3261 section 7.5). The error is ErrNotSIP: no lesser fault
// keeps a message from being read. The Parser and everything it returns refer
// to msg, which must not change while they are in use.
func (p *Parser) Start(msg []byte) (sl StartLine, err error) {
	*p = Parser{}
	p.msg, p.body, p.lf = msg, -1, -1
	if next := quickStart(msg, &sl); next > 0 {
		p.pos = next
		return sl, nil
	}
	i := 0
	for i < len(msg) && (msg[i] == '\r' || msg[i] == '\n') {
		i++
	}
	end, next := p.line(i)
	if !parseStart(msg, i, end, &sl) {
		p.pos, p.body = len(msg), len(msg)
		return StartLine{}, ErrNotSIP
	}
	p.pos = next
	return sl, nil
}

// Next moves to the next header field. It is false at the empty line that
// ends the head, or at the end of the bytes.
//
// It reads a field of one line that ends in CR LF, with a name of up to 15 bytes
// and a colon right behind it; every other form is left to slow. It is one
// function because a call costs as much as a third of a field.
func (p *Parser) Next() bool {
	b, i := p.msg, p.pos
	if p.body >= 0 || i < 0 || i > len(b)-16 {
		return p.slow()
	}
	// The end, as control finds it: from the start of the line, not of the value, so
	// that the processor need not know where this value starts to begin the next
	// line.
	end := i
	for {
		if end > len(b)-16 {
			end = control(b, end)
			break
		}
		did(16)
		s := b[end : end+16 : end+16]
		x, y := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[8:])
		if ((x-bytes20)|(y-bytes20))&bytes80 != 0 {
			if m := maskBelow(x, ' '); m != 0 {
				end += firstByte(m)
				break
			}
			if m := maskBelow(y, ' '); m != 0 {
				end += 8 + firstByte(m)
				break
			}
		}
		end += 16
	}
	line, e := b[i:], end-i // from here on by offsets in the line
	if e < 0 || e > len(line)-4 {
		return p.slow()
	}
	if x := binary.LittleEndian.Uint32(line[e : e+4 : e+4]); uint16(x) != '\r'|'\n'<<8 || isBlank(byte(x>>16)) {
		return p.slow()
	}
	// To set the bit of lower case is enough: it makes a hyphen only of a CR, and
	// there is none before the end of the line.
	lo, hi, n := word(line, 0), uint64(0), 0
	if m := maskEqual(lo, ':'); m != 0 {
		n = firstByte(m)
		lo = (lo | bytes20) & before(m)
	} else {
		hi = word(line, 8)
		m = maskEqual(hi, ':')
		if m == 0 {
			return p.slow()
		}
		n = firstByte(m) + 8
		lo, hi = lo|bytes20, (hi|bytes20)&before(m)
	}
	id := shortHeader(lo, hi)
	if id == HeaderOther && !isToken(line[:n]) {
		return p.slow()
	}
	v := n + 1
	if v < e && line[v] == ' ' {
		v++
	}
	if v >= e {
		return p.slow()
	}
	value := line[v:e]
	if value[0] <= ' ' || value[len(value)-1] <= ' ' {
		s, t := trimLWS(value, 0, len(value))
		v, value = v+s, value[s:t]
	}
	p.pos = end + 2
	h := &p.cur
	h.ID, h.Offset, h.ValueOffset = id, i, i+v
	h.Name, h.Value = line[:n], value // together: the garbage collector asks only once
	return true
}

// Header returns the field that Next moved to.
func (p *Parser) Header() Header { return p.cur }

// Field is Header without the copy: what it points to changes at the next
// Next.
func (p *Parser) Field() *Header { return &p.cur }

// ID returns the HeaderID of the field that Next moved to, for callers that
// want few of the fields.
func (p *Parser) ID() HeaderID { return p.cur.ID }

// BodyOffset returns where the body begins, walking the rest of the head if
// that has not been done. It is len(msg) if the head does not end.
func (p *Parser) BodyOffset() int {
	for p.Next() {
	}
	return max(p.body, 0)
}

// Body returns everything after the head, whatever Content-Length says.
func (p *Parser) Body() []byte { return p.msg[p.BodyOffset():] }

// Defects returns what was wrong with the lines and field names so far. The
// start line and the values have Defects of their own.
func (p *Parser) Defects() Defects { return p.defects }
