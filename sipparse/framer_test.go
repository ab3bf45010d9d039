// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	ping = "\r\n\r\n"
	okay = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n"
	body = "MESSAGE sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK2\r\nl: 5\r\n\r\nhello"
)

// show frames a script: strings are chunks; flush, end and gap(n) are calls.
type (
	flush struct{}
	end   struct{}
	gap   int64
)

func show(opts *FramerOptions, script ...any) string {
	f := NewFramer(opts)
	var out []string
	drain := func() {
		var item Item
		for f.Next(&item) {
			out = append(out, showItem(&item))
		}
	}
	for _, step := range script {
		switch step := step.(type) {
		case string:
			f.Push([]byte(step))
		case flush:
			f.Flush()
		case end:
			f.End()
		case gap:
			f.Gap(int64(step))
		}
		drain()
	}
	return strings.Join(out, " ")
}

func showItem(item *Item) string {
	s := item.Kind.String()
	if item.Filler != FillerNone {
		s += "/" + item.Filler.String()
	}
	if item.Code != CodeNone {
		s += "/" + item.Code.String()
	}
	if item.Recovered {
		s += "/recovered"
	}
	s += fmt.Sprintf("@%d+%d", item.Offset, item.Length)
	if item.Body != nil {
		s += fmt.Sprintf("(%s)", item.Body)
	}
	return s
}

func TestFramer(t *testing.T) {
	n, m := len(okay), len(body)
	bad := func(length string) string {
		return "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h\r\n" + length + "\r\n"
	}
	for _, c := range []struct {
		name   string
		opts   *FramerOptions
		script []any
		want   string
	}{
		{"ping", nil, []any{ping}, "ping@0+4"},
		{"ping and message in one segment", nil, []any{ping + okay}, fmt.Sprintf("ping@0+4 message@4+%d", n)},
		{"ping in two segments", nil, []any{"\r\n", "\r\n"}, "ping@0+4"},
		{"ping in four segments", nil, []any{"\r", "\n", "\r", "\n"}, "ping@0+4"},
		{"two pongs with a pause between", nil, []any{"\r\n", flush{}, "\r\n", flush{}}, "pong@0+2 pong@2+2"},
		{"pong before a message", nil, []any{"\r\n", okay}, fmt.Sprintf("pong@0+2 message@2+%d", n)},
		{"pairs from the left", nil, []any{"\r\n\r\n\r\n", flush{}}, "ping@0+4 pong@4+2"},
		{"two pings", nil, []any{ping + ping}, "ping@0+4 ping@4+4"},
		{"a ping whose last byte is late", nil, []any{"\r\n\r", flush{}, "\n"}, "ping@0+4"},
		{"bare LFs are no ping", nil, []any{"\n\n", flush{}}, "filler/lf@0+2"},
		{"bare CRs", nil, []any{"\r\r\r\n", flush{}}, "filler/cr@0+2 pong@2+2"},
		{"NULs", nil, []any{"\x00\x00", "\x00\x00", flush{}}, "filler/nul@0+4"},
		{"spaces before a message", nil, []any{" \t" + okay}, fmt.Sprintf("filler/space@0+2 message@2+%d", n)},
		{"STUN", nil, []any{"\x00\x01\x00\x04!\x12\xa4B0123456789ab\x80\x22\x00\x00" + okay}, fmt.Sprintf("stun@0+24 message@24+%d", n)},
		{"no STUN after all", nil, []any{"\x00\x01\x00\x04no\r\n" + okay}, fmt.Sprintf("defect/garbage@0+0 skipped@0+8 message/recovered@8+%d", n)},

		{"body", nil, []any{body + okay}, fmt.Sprintf("message@0+%d(hello) message@%d+%d", m, m, n)},
		{"body dropped", &FramerOptions{DropBody: true}, []any{body[:m-3], body[m-3:] + okay}, fmt.Sprintf("message@0+%d message@%d+%d", m, m, n)},
		{"body late", nil, []any{body[:m-3], body[m-3:]}, fmt.Sprintf("message@0+%d(hello)", m)},
		{"body above the limit", &FramerOptions{MaxMessage: m - 1}, []any{body + okay}, fmt.Sprintf("message/body-dropped@0+%d message@%d+%d", m, m, n)},
		{"no Content-Length", nil, []any{bad("X: y\r\n") + "left\r\n" + okay}, fmt.Sprintf("message/content-length-missing@0+44 skipped@44+6 message/recovered@50+%d", n)},
		{"no Content-Length and no body", nil, []any{bad("X: y\r\n") + okay + ping}, fmt.Sprintf("message/content-length-missing@0+44 message@44+%d ping@%d+4", n, 44+n)},
		{"negative Content-Length", nil, []any{bad("l: -1\r\n") + okay}, fmt.Sprintf("message/content-length-invalid@0+45 message@45+%d", n)},
		{"Content-Length of 2^63", nil, []any{bad("l: 9223372036854775808\r\n") + okay}, fmt.Sprintf("message/content-length-too-large@0+62 message@62+%d", n)},
		{"Content-Length of 2^64+5", nil, []any{bad("l: 18446744073709551621\r\n") + okay}, fmt.Sprintf("message/content-length-too-large@0+63 message@63+%d", n)},
		{"two Content-Lengths that agree", nil, []any{bad("l: 2\r\nl: 2\r\n") + "ab" + okay}, fmt.Sprintf("message@0+52(ab) message@52+%d", n)},
		{"two Content-Lengths that differ", nil, []any{bad("l: 9\r\nl: 2\r\n") + "ab-----" + okay}, fmt.Sprintf("message/content-length-conflict@0+52(ab) skipped@52+5 message/recovered@57+%d", n)},
		{"Content-Length too small", nil, []any{bad("l: 2\r\n") + "abc" + okay}, fmt.Sprintf("message@0+46(ab) defect/garbage@46+0 skipped@46+1 message/recovered@47+%d", n)},
		{"Content-Length folded", nil, []any{bad("l\t:\r\n 2\r\n") + "ab" + okay}, fmt.Sprintf("message@0+49(ab) message@49+%d", n)},

		{"bare LF", nil, []any{strings.ReplaceAll(okay, "\r\n", "\n") + okay}, fmt.Sprintf("message@0+%d message@%d+%d", n-4, n-4, n)},
		{"bare CR", nil, []any{strings.ReplaceAll(okay, "\r\n", "\r") + okay}, fmt.Sprintf("message@0+%d message@%d+%d", n-4, n-4, n)},
		{"bare CR, then silence", nil, []any{strings.ReplaceAll(okay, "\r\n", "\r"), flush{}}, fmt.Sprintf("message@0+%d", n-4)},
		{"CR CR LF", nil, []any{"SIP/2.0 200 OK\r\r\nl: 0\r\r\n\r\n" + okay}, fmt.Sprintf("message@0+26 message@26+%d", n)},

		{"garbage", nil, []any{"GET / HTTP/1.1\r\nHost: h\r\n\r\n" + okay}, fmt.Sprintf("defect/garbage@0+0 skipped@0+27 message/recovered@27+%d", n)},
		{"garbage in front of a request in the same line", nil, []any{"...sendrecv" + body}, fmt.Sprintf("defect/garbage@0+0 skipped@0+11 message/recovered@11+%d(hello)", m)},
		{"garbage, then a pause, then a ping", nil, []any{"junk!\r\n", flush{}, ping}, "defect/garbage@0+0 skipped@0+7 ping@7+4"},
		{"a start line inside a head", nil, []any{okay[:len(okay)-2] + okay}, fmt.Sprintf("defect/head-cut@0+%d message@%d+%d", n-2, n-2, n)},
		{"a status line as a body fragment", nil, []any{"SIP/2.0 100 Trying\r\n\r\n" + okay}, fmt.Sprintf("defect/head-empty@0+22 message@22+%d", n)},
		{"garbage, then a start line above the limit", &FramerOptions{MaxMessage: 100}, []any{"junk\r\n", "OPTIONS sip:" + strings.Repeat("x", 100) + "@a SIP/2.0\r\n" + okay}, fmt.Sprintf("defect/garbage@0+0 skipped@0+130 message/recovered@130+%d", n)},
		{"head above the limit", &FramerOptions{MaxMessage: 100}, []any{"SIP/2.0 200 OK\r\nX: " + strings.Repeat("x", 100) + "\r\nl: 0\r\n\r\n" + okay}, fmt.Sprintf("defect/head-too-large@0+0 skipped@0+129 message/recovered@129+%d", n)},

		{"joined between messages", &FramerOptions{Resync: true}, []any{ping + okay}, fmt.Sprintf("ping@0+4 message@4+%d", n)},
		{"joined in a method", &FramerOptions{Resync: true}, []any{"VITE sip:bob@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n" + okay}, fmt.Sprintf("skipped@0+55 message/recovered@55+%d", n)},
		{"joined in a request line", &FramerOptions{Resync: true}, []any{"sip:bob@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n" + okay}, fmt.Sprintf("skipped@0+50 message/recovered@50+%d", n)},
		{"joined in a head", &FramerOptions{Resync: true}, []any{okay[21:] + okay}, fmt.Sprintf("skipped@0+%d message/recovered@%d+%d", n-21, n-21, n)},
		{"joined in a body", &FramerOptions{Resync: true}, []any{"a=x\r\n\r\nb=y", flush{}, ping + body}, fmt.Sprintf("skipped@0+10 ping@10+4 message@14+%d(hello)", m)},

		{"gap between messages", nil, []any{okay, gap(10), okay}, fmt.Sprintf("message@0+%d gap@%d+10 message@%d+%d", n, n, n+10, n)},
		{"gap in a head", nil, []any{okay[:30], gap(10), okay[40:] + okay}, fmt.Sprintf("defect/gap-in-head@0+30 gap@30+10 skipped@40+%d message/recovered@%d+%d", n-40, n, n)},
		{"gap in a dropped body", &FramerOptions{DropBody: true}, []any{body[:m-4], gap(3), "o" + okay}, fmt.Sprintf("message@0+%d gap/gap-in-body@%d+3 message@%d+%d", m, m-4, m, n)},
		{"gap in a kept body", nil, []any{body[:m-4], gap(3), "o" + okay}, fmt.Sprintf("message/gap-in-body@0+%d(h) gap/gap-in-body@%d+3 message@%d+%d", m, m-4, m, n)},
		{"gap beyond a body", &FramerOptions{DropBody: true}, []any{body[:m-4], gap(9), okay}, fmt.Sprintf("message@0+%d defect/gap-in-body@%d+0 gap@%d+9 message@%d+%d", m, m-4, m-4, m+5, n)},
		{"gap of unknown length", &FramerOptions{DropBody: true}, []any{okay, gap(0), "x: y\r\n" + okay}, fmt.Sprintf("message@0+%d gap@%d+0 skipped@%d+6 message/recovered@%d+%d", n, n, n, n+6, n)},

		{"end in a head", nil, []any{okay[:30], end{}}, "defect/head-unfinished@0+30"},
		{"end in a kept body", nil, []any{body[:m-4], end{}}, fmt.Sprintf("message/body-short@0+%d(h)", m-4)},
		{"end in a dropped body", &FramerOptions{DropBody: true}, []any{body[:m-4], end{}}, fmt.Sprintf("message@0+%d defect/body-short@%d+0", m, m-4)},
		{"end in a ping", nil, []any{"\r\n\r", end{}}, "pong@0+2 filler/cr@2+1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(c.opts, c.script...); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			var bytewise []any
			for _, step := range c.script {
				if s, ok := step.(string); ok {
					for i := range len(s) {
						bytewise = append(bytewise, s[i:i+1])
					}
				} else {
					bytewise = append(bytewise, step)
				}
			}
			if got := show(c.opts, bytewise...); got != c.want {
				t.Errorf("byte by byte\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestFramerTorture: whatever a torture message does to the framing, the good
// message behind it is found.
func TestFramerTorture(t *testing.T) {
	for _, c := range tortureCases {
		msg, err := os.ReadFile("testdata/torture/" + c.name + ".sip")
		if err != nil {
			t.Fatal(err)
		}
		f := NewFramer(&FramerOptions{DropBody: true, MaxBody: 5000}) // below the false length of clerr
		f.Push(append(msg, okay...))
		var item Item
		first, last := "", ""
		for f.Next(&item) {
			if item.Kind == ItemMessage {
				if first == "" {
					first = string(item.Head)
				}
				last = string(item.Head)
			}
		}
		if !strings.HasPrefix(string(msg), first) || first == okay {
			t.Errorf("%s: is not the first message, but %q", c.name, first)
		}
		if last != okay {
			t.Errorf("%s: the message after it is lost, the last is %q", c.name, last)
		}
	}
}

func TestFramerState(t *testing.T) {
	f := NewFramer(&FramerOptions{DropBody: true})
	var item Item
	check := func(step string, boundary, inMessage bool, buffered int) {
		t.Helper()
		if f.AtBoundary() != boundary || f.InMessage() != inMessage || f.Buffered() != buffered {
			t.Errorf("%s: at boundary %v, in message %v, %d bytes held", step, f.AtBoundary(), f.InMessage(), f.Buffered())
		}
	}
	push := func(s string) {
		f.Push([]byte(s))
		for f.Next(&item) {
		}
	}
	check("start", true, false, 0)
	push("\r\n")
	check("half a ping", false, false, 0)
	push("\r\n")
	check("ping", true, false, 0)
	push(body[:10])
	check("start line", false, true, 10)
	push(body[10 : len(body)-2])
	check("body", false, true, 0)
	push(body[len(body)-2:])
	check("message", true, false, 0)
	push("junk\r\n")
	check("garbage", false, false, 0)
	if f.Offset() != int64(4+len(body)+6) {
		t.Errorf("offset %d", f.Offset())
	}
}
