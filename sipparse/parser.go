// SPDX-License-Identifier: Apache-2.0

package sipparse

import "bytes"

// Parser walks the head of one message. Call Start, then Next until it is
// false, and between them Header for the fields of interest. The zero value is
// ready; a Parser is a small value that may be copied, and the copy goes on
// from the same place.
type Parser struct {
	msg     []byte
	pos     int // next line
	lf      int // first LF at or after the line looked at last, or len(msg)
	body    int // offset of the body, or -1 while in the head
	cur     span
	defects Defects
}

// span is a header field as offsets into the message.
type span struct {
	name, nameEnd, value, valueEnd int
	id                             HeaderID
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
func (p *Parser) Start(msg []byte) (StartLine, error) {
	i := 0
	for i < len(msg) && (msg[i] == '\r' || msg[i] == '\n') {
		i++
	}
	*p = Parser{msg: msg, pos: i, lf: i - 1, body: -1}
	var sl StartLine
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
func (p *Parser) Next() bool {
	if p.body >= 0 {
		return false
	}
	i := p.pos
	if i >= len(p.msg) {
		p.defects.add(CodeHeadUnfinished, i)
		p.body = i
		return false
	}
	end, next := p.line(i)
	if end == i {
		p.body, p.pos = next, next
		return false
	}
	for next < len(p.msg) && isBlank(p.msg[next]) { // folded: RFC 3261 section 7.3.1
		end, next = p.line(next)
	}
	p.pos = next
	p.split(i, end)
	return true
}

// line returns the end of the line at i without its terminator, and the start
// of the next line. CR LF ends a line; so do LF, CR, and CR CR LF after a line
// with bytes, each with a defect.
func (p *Parser) line(i int) (end, next int) {
	b := p.msg
	if p.lf < i { // look for an LF once, however many lines end in CR before it
		if j := bytes.IndexByte(b[i:], '\n'); j >= 0 {
			p.lf = i + j
		} else {
			p.lf = len(b)
		}
	}
	lf := p.lf
	cr := bytes.IndexByte(b[i:lf], '\r')
	if cr < 0 {
		if lf == len(b) {
			return lf, lf
		}
		p.defects.add(CodeLineBareLF, lf)
		return lf, lf + 1
	}
	cr += i
	if cr+1 == lf && lf < len(b) {
		return cr, lf + 1
	}
	p.defects.add(CodeLineBareCR, cr)
	if cr+2 == lf && cr > i && b[cr+1] == '\r' && lf < len(b) {
		return cr, lf + 1
	}
	return cr, cr + 1
}

// split makes the line [i, end) the current header field.
func (p *Parser) split(i, end int) {
	b := p.msg
	colon := bytes.IndexByte(b[i:end], ':')
	if colon < 0 {
		p.defects.add(CodeHeaderNoColon, i)
		i, end = trimLWS(b, i, end)
		p.cur = span{name: i, nameEnd: end, value: end, valueEnd: end}
		return
	}
	n := i + colon
	v := n + 1
	for v < end && class[b[v]]&classLWS != 0 {
		v++
	}
	for end > v && class[b[end-1]]&classLWS != 0 {
		end--
	}
	id := lookupHeader(b[i:n])
	if id == HeaderOther { // also a known name with white space before the colon
		i, n = trimLWS(b, i, n)
		id = LookupHeader(b[i:n])
		if id == HeaderOther && (i == n || run(b[:n], i, classToken) != n) {
			p.defects.add(CodeHeaderName, i)
		}
	}
	p.cur = span{i, n, v, end, id}
}

// Header returns the field that Next moved to.
func (p *Parser) Header() Header {
	c := &p.cur
	return Header{
		ID:          c.id,
		Name:        p.msg[c.name:c.nameEnd],
		Value:       p.msg[c.value:c.valueEnd],
		Offset:      c.name,
		ValueOffset: c.value,
	}
}

// ID returns the HeaderID of the field that Next moved to, for callers that
// want few of the fields.
func (p *Parser) ID() HeaderID { return p.cur.id }

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
