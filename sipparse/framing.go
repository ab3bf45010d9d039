// SPDX-License-Identifier: Apache-2.0

package sipparse

// framing is what a head says about the length of its body.
type framing struct {
	fields  int
	lengths int
	length  int64
	code    Code
	lineLen int  // of the start line inside the head, if there is one
	end     int  // where the head ends
	open    bool // without an empty line
	// datagram: a start line inside a head is a bad header field
	datagram bool
}

// read walks the head after its start line. If another start line stands in
// it, read stops there and returns its index: the message before was cut off.
func (l *framing) read(head []byte, lineLen int) int {
	p := Parser{msg: head, pos: lineLen, lf: lineLen - 1, body: -1}
	for p.Next() {
		l.fields++
		switch {
		case p.cur.ID == HeaderContentLength:
			l.add(p.cur.Value)
		case p.cur.ID == HeaderOther && !l.datagram && (p.defects.Has(CodeHeaderName) || p.defects.Has(CodeHeaderNoColon)):
			at := p.cur.Offset
			if line := cutLineEnd(head[at:p.pos]); findStart(line) == 0 {
				l.lineLen = p.pos - at
				return at
			}
		}
	}
	l.end, l.open = p.body, p.defects.Has(CodeHeadUnfinished)
	return 0
}

// add reads a Content-Length value. Of several that differ the smallest is
// taken: the rest of a body is skipped, but a message that is taken for a body
// is lost.
func (l *framing) add(value []byte) {
	i := skipLWS(value, 0)
	n, start := int64(0), i
	for i < len(value) && value[i]-'0' <= 9 {
		if n < 1<<56 {
			n = n*10 + int64(value[i]-'0')
		}
		i++
	}
	if i == start || skipLWS(value, i) != len(value) {
		l.code = CodeLengthInvalid
		if i == start {
			return
		}
	}
	if l.lengths > 0 && n != l.length && l.code == CodeNone {
		l.code = CodeLengthConflict
	}
	if l.lengths == 0 || n < l.length {
		l.length = n
	}
	l.lengths++
}

// body returns the length of the body and what is wrong with it; anything but
// CodeNone means that the length is a guess.
func (l *framing) body(limit int64) (int64, Code) {
	switch {
	case l.lengths == 0 && l.code == CodeNone:
		return 0, CodeLengthMissing
	case l.length > limit:
		return 0, CodeLengthTooLarge
	}
	return l.length, l.code
}
