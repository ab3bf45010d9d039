// SPDX-License-Identifier: Apache-2.0

package sipparse

// boundary reads what stands between messages. Runs of one byte are held until
// another byte, or Flush, ends them, and CR and LF until it is clear which of
// ping, pong and filler they are; nothing of that needs a buffer.
func (f *Framer) boundary(item *Item) bool {
	for len(f.chunk) > 0 {
		did(1)
		c := f.chunk[0]
		if f.filler != FillerNone && f.crlf == 0 {
			if !f.extends(c) {
				f.endFiller(item)
				return true
			}
			f.advance(1)
			continue
		}
		switch f.crlf {
		case 0:
			if !f.begin(c) {
				return false
			}
		case 1:
			if c == '\n' {
				if f.filler != FillerNone {
					f.endFiller(item)
					return true
				}
				f.crlf = 2
				f.advance(1)
				continue
			}
			// The CR before this byte is a lone one.
			if f.filler == FillerNone {
				f.filler, f.start = FillerCR, f.off-1
			}
			if c != '\r' {
				f.crlf = 0
				continue
			}
			f.advance(1)
		case 2:
			if c != '\r' {
				f.pong(item)
				return true
			}
			f.crlf = 3
			f.advance(1)
		case 3:
			if c != '\n' {
				f.pong(item)
				return true
			}
			f.advance(1)
			f.crlf = 0
			*item = Item{Kind: ItemPing, Offset: f.off - 4, Length: 4}
			return true
		}
	}
	return false
}

// pong gives the first two of the CRs and LFs held.
func (f *Framer) pong(item *Item) {
	*item = Item{Kind: ItemPong, Offset: f.off - int64(f.crlf), Length: 2}
	f.crlf -= 2
}

// begin takes the first byte of something. It is false when what begins is not
// for boundary to read.
func (f *Framer) begin(c byte) bool {
	switch c {
	case '\r':
		f.crlf = 1
	case '\n':
		f.filler, f.start = FillerLF, f.off
	case ' ', '\t':
		f.filler, f.start = FillerSpace, f.off
	case 0, 1:
		f.state, f.start, f.probed = inProbe, f.off, 0
		return false
	default:
		f.startLine()
		return false
	}
	f.advance(1)
	return true
}

// extends reports whether c goes on with the filler that is held. (A run of CRs
// goes on through crlf, as each of them may begin a CRLF.)
func (f *Framer) extends(c byte) bool {
	switch f.filler {
	case FillerLF:
		return c == '\n'
	case FillerSpace:
		return c == ' ' || c == '\t'
	case FillerNUL:
		return c == 0
	}
	return false
}

func (f *Framer) endFiller(item *Item) {
	*item = Item{Kind: ItemFiller, Filler: f.filler, Offset: f.start, Length: f.off - int64(f.crlf) - f.start}
	f.filler = FillerNone
}

// probeSTUN reads the first eight bytes of what may be a STUN message (RFC 8489
// section 5): Binding, a length, the magic cookie.
func (f *Framer) probeSTUN() {
	for len(f.chunk) > 0 {
		c := f.chunk[0]
		if !stunByte(int(f.probed), c) {
			if f.probed == 1 && f.probe[0] == 0 {
				f.state, f.filler = atBoundary, FillerNUL
				return
			}
			held := f.probe[:f.probed]
			f.probed = 0
			f.startLine()
			f.start -= int64(len(held))
			f.scan = scanInside
			f.hold(held)
			return
		}
		f.probe[f.probed] = c
		f.probed++
		f.advance(1)
		if f.probed == 8 {
			f.state, f.probed = inSTUN, 0
			f.need = stunHeader - 8 + int64(f.probe[2])<<8 + int64(f.probe[3])
			return
		}
	}
}

const stunHeader = 20

// stunByte reports whether c can be byte i of a STUN Binding message. None of
// the bytes is CR or LF: a keep-alive is short.
func stunByte(i int, c byte) bool {
	switch i {
	case 0:
		return c <= 1
	case 1:
		return c == 0x01 || c == 0x11
	case 2:
		return c < 8
	case 3:
		return c&3 == 0
	}
	return c == [...]byte{0x21, 0x12, 0xa4, 0x42}[i-4]
}

func (f *Framer) stun(item *Item) bool {
	n := int(min(f.need, int64(len(f.chunk))))
	f.advance(n)
	if f.need -= int64(n); f.need > 0 {
		return false
	}
	*item = Item{Kind: ItemSTUN, Offset: f.start, Length: f.off - f.start, Head: f.probe[:]}
	f.next(f.soft)
	return true
}
