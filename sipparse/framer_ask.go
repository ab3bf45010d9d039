// SPDX-License-Identifier: Apache-2.0

package sipparse

// answer does what the caller asked for beside reading, once the chunk is used
// up. It gives one item a call, and takes the question off when it is done.
func (f *Framer) answer(item *Item) bool {
	if f.ask&askFlush != 0 {
		if f.flush(item) {
			return true
		}
		f.ask &^= askFlush
	}
	if f.ask&askGap != 0 {
		if f.inGap(item) {
			return true
		}
		if f.cutOff(item, CodeGapInHead, CodeGapInBody) {
			return true
		}
		f.gapItem(item, CodeNone)
		f.next(true)
		return true
	}
	if f.ask&askEnd != 0 {
		if f.cutOff(item, CodeHeadUnfinished, CodeBodyShort) {
			return true
		}
		f.ask &^= askEnd
		f.next(true)
	}
	return false
}

// flush decides what can be decided when the peer has paused.
func (f *Framer) flush(item *Item) bool {
	switch f.state {
	case atBoundary:
		switch {
		case f.filler != FillerNone:
			f.endFiller(item)
			return true
		case f.crlf == 2:
			f.pong(item)
			return true
		}
	case inProbe:
		if f.probed == 1 && f.probe[0] == 0 {
			f.next(f.soft)
			f.filler, f.probed = FillerNUL, 0
			return f.flush(item)
		}
	case inLine:
		return f.flushLine(item)
	case inHead:
		if f.scan == scanCR1 || f.scan == scanCRCR { // an empty line that ends in CR alone
			return f.finish(item)
		}
	}
	return false
}

// flushLine gives what is being skipped, and expects a boundary again if the
// line that is held cannot become a start line.
func (f *Framer) flushLine(item *Item) bool {
	if f.Buffered() > 0 && LooksLikeSIP(*f.buf) != VerdictNo {
		if !f.skipping || f.start == f.skipFrom {
			return false
		}
		*item = Item{Kind: ItemSkipped, Offset: f.skipFrom, Length: f.start - f.skipFrom}
		f.skipFrom = f.start
		return true
	}
	if !f.skipping {
		f.skip()
	}
	f.drop()
	f.start = f.off
	if f.start > f.skipFrom {
		f.owed |= oweSkipped
	}
	f.next(true)
	return f.owed != 0 && f.owe(item)
}

// inGap answers a gap that lies within a body that is only counted.
func (f *Framer) inGap(item *Item) bool {
	if f.state != inBody || f.gap == 0 || f.gap > f.need {
		return false
	}
	f.need -= f.gap
	f.gapItem(item, CodeGapInBody)
	if f.need == 0 {
		f.next(f.soft)
	}
	return true
}

func (f *Framer) gapItem(item *Item, code Code) {
	*item = Item{Kind: ItemGap, Code: code, Offset: f.off, Length: f.gap}
	f.off += f.gap
	f.ask &^= askGap
}

// cutOff gives what is held and cannot be completed, with a code for a head
// and one for a body. It is false when nothing is left.
func (f *Framer) cutOff(item *Item, inHeadCode, inBodyCode Code) bool {
	if f.flush(item) {
		return true
	}
	state := f.state
	gap := f.ask&askGap != 0
	switch state {
	case atBoundary:
		if f.crlf == 0 {
			return false
		}
		if f.crlf == 3 {
			f.pong(item)
			return true
		}
		f.crlf = 0
		*item = Item{Kind: ItemFiller, Filler: FillerCR, Offset: f.off - 1, Length: 1}
		return true
	case inProbe, inSTUN:
		*item = Item{Kind: ItemSkipped, Offset: f.start, Length: f.off - f.start}
		f.probed = 0
	case inLine:
		if f.skipping {
			*item = Item{Kind: ItemSkipped, Offset: f.skipFrom, Length: f.off - f.skipFrom}
			break
		}
		*item = Item{Kind: ItemDefect, Code: inHeadCode, Offset: f.start, Length: f.off - f.start}
	case inHead:
		*item = Item{Kind: ItemDefect, Code: inHeadCode, Offset: f.start, Length: f.off - f.start}
	case inBody:
		*item = Item{Kind: ItemDefect, Code: inBodyCode, Offset: f.off, BodyLength: f.need}
	case inKeptBody:
		return f.cutBody(item, inBodyCode, gap)
	}
	f.drop()
	f.next(true)
	return item.Length > 0 || state == inBody
}

// cutBody gives a message without the rest of its body.
func (f *Framer) cutBody(item *Item, code Code, gap bool) bool {
	unit, need := f.unit(), f.need
	f.code = code
	f.give(item, unit, need)
	rest := need - int64(len(unit)-int(f.headLen))
	f.consume()
	if gap { // the rest is counted, as if bodies were dropped
		f.state, f.need = inBody, rest
		return true
	}
	item.Length = int64(len(unit))
	f.next(true)
	return true
}
