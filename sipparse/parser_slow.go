// SPDX-License-Identifier: Apache-2.0

package sipparse

import "bytes"

// slow reads the field at pos in whatever form it has.
func (p *Parser) slow() bool {
	if p.body >= 0 {
		return false
	}
	i := p.pos
	if i >= len(p.msg) {
		p.defects.add(CodeHeadUnfinished, i)
		p.body = i
		return false
	}
	if b := p.msg[i:]; len(b) > 1 && b[0] == '\r' && b[1] == '\n' {
		p.body, p.pos = i+2, i+2
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
		did(p.lf - i)
	}
	lf := p.lf
	cr := bytes.IndexByte(b[i:lf], '\r')
	if cr < 0 {
		did(lf - i)
		if lf == len(b) {
			return lf, lf
		}
		p.defects.add(CodeLineBareLF, lf)
		return lf, lf + 1
	}
	did(cr)
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
	did(end - i)
	colon := bytes.IndexByte(b[i:end], ':')
	if colon < 0 {
		p.defects.add(CodeHeaderNoColon, i)
		i, end = trimLWS(b, i, end)
		p.field(HeaderOther, i, end, end, end)
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
	id := LookupHeader(b[i:n])
	if id == HeaderOther { // also a known name with white space before the colon
		i, n = trimLWS(b, i, n)
		id = LookupHeader(b[i:n])
		if id == HeaderOther && (i == n || run(b[:n], i, classToken) != n) {
			p.defects.add(CodeHeaderName, i)
		}
	}
	p.field(id, i, n, v, end)
}

// field makes b[name:nameEnd] and b[value:end] the current header field. It
// sets every part by itself: a Header built elsewhere and copied here costs more
// than finding it did.
func (p *Parser) field(id HeaderID, name, nameEnd, value, end int) {
	h := &p.cur
	h.ID = id
	h.Name = p.msg[name:nameEnd]
	h.Value = p.msg[value:end]
	h.Offset = name
	h.ValueOffset = value
}
