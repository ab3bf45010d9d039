// SPDX-License-Identifier: Apache-2.0

//go:build countwork

package sipparse

import (
	"strings"
	"testing"
)

// hostile builds messages of about n bytes that are meant to cost more than
// their size.
var hostile = map[string]func(n int) string{
	"vias in one field":      func(n int) string { return field("Via: ", "SIP/2.0/UDP h;branch=z9hG4bK1,", n) },
	"Via fields":             func(n int) string { return field("", "v:SIP/2.0/UDP h\r\n", n) },
	"empty Vias":             func(n int) string { return field("Via: ", ",;", n) },
	"Via parameters":         func(n int) string { return field("Via: SIP/2.0/UDP h", ";keep=1", n) },
	"open quotes":            func(n int) string { return field("Via: SIP/2.0/UDP h", `;a="\",`, n) },
	"open IPv6":              func(n int) string { return field("Via: ", "SIP/2.0/UDP [1:,", n) },
	"colons":                 func(n int) string { return field("Via: ", "SIP/2.0/UDP 1:1:,", n) },
	"slashes":                func(n int) string { return field("Via: ", "/ , ", n) },
	"open brackets":          func(n int) string { return field("Contact: ", "<,", n) },
	"open names":             func(n int) string { return field("Contact: ", `"\",`, n) },
	"quote before brackets":  func(n int) string { return field("Contact: ", `"<sip:a>,`, n) },
	"at signs":               func(n int) string { return field("Contact: ", "<sip:@@@@>,", n) },
	"URI parameters":         func(n int) string { return field("Contact: <sip:h", ";lr=", n) },
	"one long line":          func(n int) string { return field("X: ", "x", n) },
	"one long name":          func(n int) string { return field("", "x", n) },
	"folds":                  func(n int) string { return field("Via: SIP/2.0/UDP h", "\r\n ;a", n) },
	"blank folds":            func(n int) string { return field("Via: a", "\r\n ", n) },
	"tabs":                   func(n int) string { return field("X: ", "\t", n) },
	"bare CR lines":          func(n int) string { return field("", "a:\r", n) },
	"bare CR lines, no LF":   func(n int) string { return "A sip:a SIP/2.0\r" + strings.Repeat("a:\r", n/3) },
	"lines without a colon":  func(n int) string { return field("", "a\r\n", n) },
	"start lines in a head":  func(n int) string { return field("", "A a:b SIP/2.0\r\n", n) },
	"status lines in a line": func(n int) string { return field("", "SIP/2.0 ", n) },
	"zero bytes":             func(n int) string { return strings.Repeat("\x00", n) },
	"CRs":                    func(n int) string { return strings.Repeat("\r", n) },
	"CRLFs":                  func(n int) string { return strings.Repeat("\r\n", n/2) },
	"almost STUN":            func(n int) string { return strings.Repeat("\x00\x01\x00\x00!\x12\xa4", n/7) },
	"Content-Lengths":        func(n int) string { return field("", "l:9999999999999999999999\r\n", n) },
	"a long number":          func(n int) string { return field("Expires: ", "9", n) },
	"option tags":            func(n int) string { return field("Supported: ", "a ,", n) },
}

func field(before, again string, n int) string {
	return "OPTIONS sip:a@example.com SIP/2.0\r\n" + before + strings.Repeat(again, n/len(again)) + "\r\n\r\n"
}

// perByte is how often a byte may be looked at. Every field is read as whatever
// it could be, most of it twice: in haste, and byte by byte.
const perByte = 100

func TestWorkIsLinear(t *testing.T) {
	for name, build := range hostile {
		for _, n := range []int{10_000, 1_000_000} {
			msg := []byte(build(n))
			work = 0
			readEverything(t, msg)
			if work > perByte*len(msg) {
				t.Errorf("%s: parsing %d bytes looks at %d", name, len(msg), work)
			}
			for _, chunk := range []int{1, 1000, len(msg)} {
				work = 0
				f := NewFramer(&FramerOptions{DropBody: true})
				var item Item
				for i := 0; i < len(msg); i += chunk {
					f.Push(msg[i:min(i+chunk, len(msg))])
					for f.Next(&item) {
					}
					if f.Buffered() > defaultMaxMessage {
						t.Fatalf("%s: %d bytes held", name, f.Buffered())
					}
				}
				if work > perByte*len(msg) {
					t.Errorf("%s: framing %d bytes in chunks of %d looks at %d", name, len(msg), chunk, work)
				}
			}
		}
	}
}

func readEverything(t *testing.T, msg []byte) {
	Check(msg)
	FrameDatagram(msg)
	LooksLikeSIP(msg)
	var p Parser
	if _, err := p.Start(msg); err != nil {
		return
	}
	for p.Next() {
		h := p.Field()
		vias, v := h.Vias(), Via{}
		for vias.Next(&v) {
			params, param := Params(v.Params), Param{}
			for params.Next(&param) {
			}
		}
		addresses, a := h.Addresses(), Address{}
		for addresses.Next(&a) {
		}
		h.Address(&a)
		h.Tag()
		h.CSeq()
		HasTag(h.Value, "outbound")
		ParseDelta(h.Value)
	}
}
