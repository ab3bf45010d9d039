// SPDX-License-Identifier: Apache-2.0

package sipparse

// startLine begins to read a line at the next byte of the chunk.
func (f *Framer) startLine() {
	f.state, f.start, f.scan, f.pos = inLine, f.off, scanStart, 0
}

// line reads a line that must be a start line or, while skipping, may hold one.
func (f *Framer) line(item *Item) bool {
	have, limit := f.Buffered(), f.opts.maxMessage()
	w := f.chunk[f.pos:]
	if !f.skipping {
		w = w[:min(len(w), max(0, limit-have-f.pos))] // a probe for STUN may have held more
	}
	n, end := f.scan.line(w)
	f.pos += n
	if end == lineMore {
		if !f.skipping && have+f.pos >= limit && f.pos < len(f.chunk) {
			return f.giveUp(item, CodeHeadTooLarge)
		}
		f.holdLine()
		return false
	}
	unit := f.unit()
	text := cutLineEnd(unit)
	var sl StartLine
	if !f.skipping && parseStart(text, 0, len(text), &sl) && !glued(&sl) && !(f.soft && doubtful(&sl)) {
		f.state, f.lineLen, f.headDone = inHead, int32(len(unit)), end == lineEmpty
		return false
	}
	if !f.skipping {
		f.skip()
	}
	at := findStart(text)
	if at < 0 || len(unit)-at > f.opts.maxMessage() {
		f.drop()
		f.startLine()
		return f.owed != 0 && f.owe(item)
	}
	f.trim(at, len(unit))
	f.lineLen, f.headDone = int32(len(unit)-at), end == lineEmpty
	f.state, f.skipping, f.recovered = inHead, false, true
	if f.start > f.skipFrom {
		f.owed |= oweSkipped
	}
	return f.owed != 0 && f.owe(item)
}

// doubtful reports whether a start line where nothing says that a message
// begins may be the rest of one.
func doubtful(sl *StartLine) bool {
	return sl.Defects.Any() || sl.Request && cutMethod(sl.MethodName)
}

// skip begins to skip at f.start.
func (f *Framer) skip() {
	f.skipping, f.skipFrom = true, f.start
	if !f.soft {
		f.owed |= oweDefect
	}
	f.soft = true
}

// owed are items that are known already and go before anything else.
type owed uint8

const (
	oweDefect  owed = 1 << iota // garbage from skipFrom on
	oweSkipped                  // from skipFrom to start
)

// owe gives one of the items that are owed, of which there is one at least.
func (f *Framer) owe(item *Item) bool {
	if f.owed&oweDefect != 0 {
		f.owed &^= oweDefect
		*item = Item{Kind: ItemDefect, Code: CodeGarbage, Offset: f.skipFrom}
		return true
	}
	f.owed &^= oweSkipped
	*item = Item{Kind: ItemSkipped, Offset: f.skipFrom, Length: f.start - f.skipFrom}
	return true
}

// giveUp drops a start line or head that has become too long and skips the
// rest of it.
func (f *Framer) giveUp(item *Item, code Code) bool {
	*item = Item{Kind: ItemDefect, Code: code, Offset: f.start}
	f.drop()
	f.skipping, f.skipFrom, f.soft, f.recovered = true, f.start, true, false
	f.state, f.start = inLine, f.off
	return true
}

// head reads lines up to the empty one.
func (f *Framer) head(item *Item) bool {
	limit := f.opts.maxMessage() - (f.Buffered() - int(f.cut))
	w := f.chunk[:min(len(f.chunk), limit)]
	for !f.headDone {
		n, end := f.scan.line(w[f.pos:])
		f.pos += n
		switch end {
		case lineEmpty:
			f.headDone = true
		case lineMore:
			if f.pos >= limit && f.pos < len(f.chunk) {
				return f.giveUp(item, CodeHeadTooLarge)
			}
			f.hold(f.chunk[:f.pos])
			f.advance(f.pos)
			return false
		}
	}
	f.headDone = false
	return f.finish(item)
}

// finish gives the message whose head is complete, unless that must wait for
// the body.
func (f *Framer) finish(item *Item) bool {
	head := f.unit()
	var l framing
	if at := l.read(head, int(f.lineLen)); at > 0 {
		*item = Item{Kind: ItemDefect, Code: CodeHeadCut, Offset: f.start, Length: int64(at)}
		f.trim(at, len(head))
		f.lineLen, f.headDone = int32(l.lineLen), true
		return true
	}
	f.soft = false
	if l.fields == 0 {
		*item = Item{Kind: ItemDefect, Code: CodeHeadEmpty, Offset: f.start, Length: int64(len(head))}
		f.drop()
		f.next(true)
		return true
	}
	length, code := l.body(f.opts.maxBody())
	f.soft, f.code, f.need = code != CodeNone, code, length
	f.headLen = int32(len(head))
	if !f.opts.dropBody() && length > 0 {
		if int64(len(head))+length <= int64(f.opts.maxMessage()) {
			f.state = inKeptBody
			return f.keptBody(item)
		}
		if code == CodeNone {
			f.code = CodeBodyDropped
		}
	}
	f.give(item, head, length)
	f.consume()
	if f.state = inBody; length == 0 {
		f.next(f.soft)
	}
	return true
}

// give fills item with the message whose bytes, as far as they are given, are
// unit.
func (f *Framer) give(item *Item, unit []byte, body int64) {
	n := int(f.headLen)
	*item = Item{
		Kind: ItemMessage, Code: f.code, Recovered: f.recovered,
		Offset: f.start, Length: int64(n) + body,
		Head: unit[:n:n], BodyLength: body,
	}
	if len(unit) > n {
		item.Body = unit[n:len(unit):len(unit)]
	}
}

// body counts bytes of a body.
func (f *Framer) body() {
	n := int(min(f.need, int64(len(f.chunk))))
	f.advance(n)
	if f.need -= int64(n); f.need == 0 {
		f.next(f.soft)
	}
}

// keptBody waits for the bytes of a body and then gives the message.
func (f *Framer) keptBody(item *Item) bool {
	have := f.Buffered() - int(f.cut) + f.pos
	if missing := int(f.headLen) + int(f.need) - have; missing > len(f.chunk)-f.pos {
		f.hold(f.chunk)
		f.advance(len(f.chunk))
		return false
	} else {
		f.pos += missing
	}
	f.give(item, f.unit(), f.need)
	f.consume()
	f.next(f.soft)
	return true
}
