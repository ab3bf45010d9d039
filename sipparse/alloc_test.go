// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"os"
	"testing"
)

// TestParsingAllocatesNothing: not the usual message, and not the worst.
func TestParsingAllocatesNothing(t *testing.T) {
	messages := map[string][]byte{"invite": readInvite(t)}
	for _, c := range tortureCases {
		msg, err := os.ReadFile("testdata/torture/" + c.name + ".sip")
		if err != nil {
			t.Fatal(err)
		}
		messages[c.name] = msg
	}
	var fields viaductFields
	for name, msg := range messages {
		if n := testing.AllocsPerRun(10, func() {
			fields.read(msg)
			FrameDatagram(msg)
			LooksLikeSIP(msg)
			Check(msg)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestFramingAllocatesNothing: not for messages that come whole, and not, once
// the buffers are there, for messages in pieces.
func TestFramingAllocatesNothing(t *testing.T) {
	msg := readInvite(t)
	f := NewFramer(&FramerOptions{DropBody: true})
	var item Item
	for _, chunk := range []int{len(msg), 300, 1} {
		if n := testing.AllocsPerRun(10, func() {
			for i := 0; i < len(msg); i += chunk {
				f.Push(msg[i:min(i+chunk, len(msg))])
				for f.Next(&item) {
				}
			}
		}); n != 0 {
			t.Errorf("chunks of %d: %v allocations", chunk, n)
		}
	}
}

// TestFramerKeepsNothing: a stream that rests holds no buffer, whatever passed
// through it, and one that does not rest holds no more than the limit.
func TestFramerKeepsNothing(t *testing.T) {
	f := NewFramer(&FramerOptions{DropBody: true, MaxMessage: 1000})
	var item Item
	push := func(s string) {
		f.Push([]byte(s))
		for f.Next(&item) {
		}
		if f.Buffered() > 1000 {
			t.Fatalf("%d bytes held", f.Buffered())
		}
	}
	for range 3 {
		for _, c := range okay + body + ping {
			push(string(c))
		}
		if f.Flush(); f.Next(&item) || f.Buffered() != 0 || f.buf != nil {
			t.Fatalf("%v, %d bytes held", item.Kind, f.Buffered())
		}
		for range 5000 {
			push("x: y\r\n")
		}
	}
}
