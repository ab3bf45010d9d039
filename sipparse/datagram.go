// SPDX-License-Identifier: Apache-2.0

package sipparse

import "bytes"

// FrameDatagram says what one datagram is. A datagram is one item, never two:
// bytes after the body are CodeBodyExtra (RFC 3261 section 18.3). The item's
// Head and Body point into b.
func FrameDatagram(b []byte) Item {
	item := Item{Length: int64(len(b))}
	if item.Kind, item.Filler = fillerDatagram(b); item.Kind != 0 {
		return item
	}
	if isSTUN(b) {
		item.Kind = ItemSTUN
		return item
	}
	i := 0
	for i < len(b) && (b[i] == '\r' || b[i] == '\n') {
		i++
	}
	p := Parser{msg: b, lf: i - 1}
	var sl StartLine
	end, next := p.line(i)
	if !parseStart(b[:end], i, end, &sl) {
		item.Kind, item.Code = ItemDefect, CodeGarbage
		return item
	}
	item.Kind = ItemMessage
	l := framing{datagram: true}
	l.read(b, next)
	length, code := l.body(int64(len(b)))
	rest := int64(len(b) - l.end)
	switch {
	case l.open:
		item.Code = CodeHeadUnfinished
	case code == CodeLengthTooLarge || code == CodeNone && length > rest:
		item.Code = CodeBodyShort
	case code == CodeLengthMissing: // legal here: the body is the rest
	case code != CodeNone:
		item.Code = code
	case length < rest:
		item.Code, rest = CodeBodyExtra, length
	}
	item.Head, item.Body, item.BodyLength = b[i:l.end:l.end], b[l.end:l.end+int(rest)], rest
	return item
}

// fillerDatagram recognises the datagrams that keep a NAT binding alive and
// are not SIP. Double CRLF is not meant for UDP (RFC 5626 section 4.4.1), and
// very common there.
func fillerDatagram(b []byte) (ItemKind, Filler) {
	if len(b) == 0 {
		return ItemFiller, FillerNone
	}
	if string(b) == "jaK" {
		return ItemFiller, FillerJaK
	}
	if pairs := bytes.Count(b, []byte("\r\n")); pairs*2 == len(b) {
		if pairs == 1 {
			return ItemPong, FillerNone
		}
		return ItemPing, FillerNone
	}
	for _, c := range b {
		if c != b[0] && !(isBlank(c) && isBlank(b[0])) {
			return 0, FillerNone
		}
	}
	switch b[0] {
	case '\r':
		return ItemFiller, FillerCR
	case '\n':
		return ItemFiller, FillerLF
	case 0:
		return ItemFiller, FillerNUL
	case ' ', '\t':
		return ItemFiller, FillerSpace
	}
	return 0, FillerNone
}

// isSTUN reports whether b is a STUN message (RFC 8489 section 5).
func isSTUN(b []byte) bool {
	return len(b) >= stunHeader && b[0]&0xc0 == 0 && b[3]&3 == 0 &&
		string(b[4:8]) == "\x21\x12\xa4\x42" && stunHeader+(int(b[2])<<8|int(b[3])) == len(b)
}
