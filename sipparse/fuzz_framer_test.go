// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"bytes"
	"fmt"
	"testing"
)

// framed is what a Framer made of a stream, kept beyond its buffers.
type framed struct {
	Item
	head, body string
}

// stream frames data in the chunks that cut gives the ends of, with a pause, a
// gap or neither after each byte that act names.
func stream(t *testing.T, opts *FramerOptions, data []byte, act func(at int) ask, cut func(at int) bool) []framed {
	t.Helper()
	f := NewFramer(opts)
	var out []framed
	offset := int64(0)
	drain := func() {
		var item Item
		for n := 0; f.Next(&item); n++ {
			if n > 4*len(data)+16 {
				t.Fatal("items without end")
			}
			if item.Offset < offset || item.Length < 0 {
				t.Fatalf("%v at %d after %d, length %d\n%v", item.Kind, item.Offset, offset, item.Length, out)
			}
			offset = item.Offset
			out = append(out, framed{item, string(item.Head), string(item.Body)})
			out[len(out)-1].Head, out[len(out)-1].Body = nil, nil
			if item.Kind == ItemMessage {
				checkMessage(t, opts, data, &item)
			}
		}
		if f.Buffered() > opts.maxMessage()+2*resyncWindow || opts.dropBody() && f.state == inBody && f.Buffered() > 0 {
			t.Fatalf("%d bytes held", f.Buffered())
		}
		if f.state == atBoundary && f.Buffered() > 0 {
			t.Fatal("an idle framer holds a buffer")
		}
	}
	from := 0
	for i := range data {
		what := act(i)
		if what == 0 && !cut(i) && i+1 < len(data) {
			continue
		}
		f.Push(bytes.Clone(data[from : i+1])) // the framer must not rely on bytes behind the chunk
		from = i + 1
		drain()
		if what&askFlush != 0 {
			f.Flush()
			drain()
		}
		if what&askGap != 0 {
			f.Gap(int64(i % 7)) // 0 now and then: unknown
			drain()
		}
	}
	f.End()
	drain()
	if f.Buffered() > 0 {
		t.Fatal("a buffer is held after the end")
	}
	return out
}

// checkMessage: the head is the stream's own bytes and begins as SIP does.
func checkMessage(t *testing.T, opts *FramerOptions, data []byte, item *Item) {
	t.Helper()
	if !bytes.Contains(data, item.Head) {
		t.Fatalf("head %q is not in the stream", item.Head)
	}
	var p Parser
	if _, err := p.Start(item.Head); err != nil {
		t.Fatalf("head %q: %v", item.Head, err)
	}
	if p.BodyOffset() != len(item.Head) {
		t.Fatalf("head of %d bytes ends at %d for the parser: %q", len(item.Head), p.BodyOffset(), item.Head)
	}
	if opts.dropBody() && item.Body != nil || len(item.Head) > opts.maxMessage() || len(item.Head)+len(item.Body) > opts.maxMessage() {
		t.Fatalf("head of %d, body of %d bytes", len(item.Head), len(item.Body))
	}
	if item.Code == CodeNone && !opts.dropBody() && int64(len(item.Body)) != item.BodyLength {
		t.Fatalf("body of %d bytes, %d given", item.BodyLength, len(item.Body))
	}
}

// tiles: without gaps, the items cover every byte of the stream once.
func tiles(t *testing.T, items []framed, size int) {
	t.Helper()
	at := int64(0)
	for _, item := range items {
		if item.Length == 0 {
			continue
		}
		if item.Offset != at {
			t.Fatalf("%v at %d, expected at %d\n%v", item.Kind, item.Offset, at, items)
		}
		at += item.Length
	}
	short := int64(0)
	if n := len(items); n > 0 && items[n-1].Code == CodeBodyShort {
		short = items[n-1].BodyLength
		if items[n-1].Kind == ItemMessage {
			short = 0
		}
	}
	if at-short != int64(size) {
		t.Fatalf("%d of %d bytes covered (%d short)\n%v", at, size, short, items)
	}
}

func FuzzFramer(f *testing.F) {
	good := "OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKa\r\nl: 3\r\n\r\nabc"
	for i, s := range []string{
		"\r\n\r\n" + good + good + "\r\n\r\n\r\n" + good,
		good + "\x00\x00\x00\x00" + good + "\n\n\r\r\n \t" + good + "\r",
		good[:len(good)-8] + "999999999999999999999\r\n\r\n" + good,
		"tail of a body\r\n\r\n" + good + "junk" + good,
		"SIP/2.0 200 OK\r\nl: 5\r\nl: 2\r\n\r\nab" + good,
		"\x00\x01\x00\x08!\x12\xa4BTRANSACTION-0123456789" + good + "\x01\x01\x00\x00!\x12\xa4B0123456789ab\r\n",
		"INVITE sip:cut@example.com SIP/2.0\r\nVia: SIP/2.0/TCP" + "\r\n" + good,
		"junk\r\n" + good[:12] + string(bytes.Repeat([]byte("a"), 200)) + good[12:] + good,
		"junk\r\nA sip:\x1e\x1e\x1e\x1e\x1e\x1e\x1e@b SIP/2.0\r\n" + good + good[:len(good)-8] + "1200\r\n\r\n\x1e\x1e" + good,
		"junk" + good[:30] + "SIP/2.0\r\nx: \x1e\x1e\x1e\x1e\x1e\x1e\x1e\x1e\r\nl: 700\r\n\r\n\x1e" + good,
		"A sip:b SIP/2.0\rl:1\r\rxA sip:b SIP/2.0\nl:1\n\nxA sip:b SIP/2.0\r\r\nl:0\r\r\n\r\r\n",
	} {
		f.Add([]byte(s), uint64(i)*0x9E3779B97F4A7C15, uint8(i), uint8(i*3))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, pauses, flags uint8) {
		// One byte stands for many, so that lines, heads and bodies grow beyond
		// every limit, the framer's own too, which bytes at random never do.
		data = bytes.ReplaceAll(data, []byte{0x1e}, bytes.Repeat([]byte("a"), 600))
		data = data[:min(len(data), 3*maxStartLine)]
		opts := &FramerOptions{DropBody: flags&1 != 0, Resync: flags&2 != 0}
		if flags&4 != 0 {
			opts.MaxMessage = [...]int{100, 1, 16, 40, 700, 4095, 4097, 9000}[flags>>5]
		}
		if flags&8 != 0 {
			opts.MaxBody = [...]int64{20, 1, 600, 1 << 40}[seed>>62]
		}
		random := func(at, n int) bool { // the same for the same place
			x := (seed + uint64(at)*0xD1B54A32D192ED03) * 0x9E3779B97F4A7C15
			return n > 0 && x>>32%uint64(n) == 0
		}
		act := func(at int) (what ask) {
			if random(at, int(pauses)) {
				what |= askFlush
			}
			if flags&16 != 0 && random(at^0x5555, int(pauses)+50) {
				what |= askGap
			}
			return what
		}
		whole := stream(t, opts, data, act, func(int) bool { return false })
		single := stream(t, opts, data, act, func(int) bool { return true })
		pieces := stream(t, opts, data, act, func(at int) bool { return random(at^0x3333, int(seed%13)+1) })
		if a, b := fmt.Sprint(whole), fmt.Sprint(single); a != b {
			t.Fatalf("at once:\n%v\nbyte by byte:\n%v", a, b)
		}
		if a, b := fmt.Sprint(whole), fmt.Sprint(pieces); a != b {
			t.Fatalf("at once:\n%v\nin pieces:\n%v", a, b)
		}
		if flags&16 == 0 {
			tiles(t, whole, len(data))
		}
	})
}

// FuzzDatagram: what FrameDatagram says agrees with the parser, and all of the
// bytes are accounted for.
func FuzzDatagram(f *testing.F) {
	addTorture(f)
	for _, s := range []string{"", "\r\n", "\r\n\r\n", "\x00\x00\x00\x00", "jaK", "\x00\x01\x00\x00!\x12\xa4B0123456789ab"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		item := FrameDatagram(b)
		var p Parser
		_, err := p.Start(b)
		if (item.Kind == ItemMessage) != (err == nil) && item.Kind != ItemSTUN && item.Kind != ItemFiller {
			t.Fatalf("%v, parser: %v", item.Kind, err)
		}
		if item.Kind == 0 || item.Length != int64(len(b)) || int64(len(item.Body)) != item.BodyLength {
			t.Fatalf("%+v", item)
		}
		if item.Kind != ItemMessage {
			return
		}
		if !bytes.HasSuffix(b[:len(b)-len(p.Body())], item.Head) || !bytes.HasPrefix(p.Body(), item.Body) {
			t.Fatalf("head %q, body %q", item.Head, item.Body)
		}
		if item.Code == CodeNone && len(item.Body) != len(p.Body()) {
			t.Fatal("bytes after the body, and no code")
		}
	})
}

// FuzzLooksLikeSIP: a verdict does not change when more bytes come, and it is
// never "no" to what the parser takes without a defect.
func FuzzLooksLikeSIP(f *testing.F) {
	addTorture(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 300)]
		last := VerdictMore
		for i := range len(b) + 1 {
			verdict := LooksLikeSIP(b[:i])
			if last != VerdictMore && verdict != last {
				t.Fatalf("%v after %d bytes, %v before: %q", verdict, i, last, b[:i])
			}
			last = verdict
		}
	})
}
