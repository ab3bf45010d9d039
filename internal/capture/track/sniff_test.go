// SPDX-License-Identifier: Apache-2.0

package track

import (
	"strings"
	"testing"
)

// The same as for the programs in the kernel.
func TestSniff(t *testing.T) {
	for _, tt := range []struct {
		bytes string
		want  verdict
	}{
		{"INVITE sip:bob@example.com SIP/2.0\r\n", isSIP},
		{"invite SIPS:bob@example.com SIP/2.0\r\n", isSIP},
		{"OPTIONS tel:+15550100 SIP/2.0\r\n", isSIP},
		{"INVITE urn:service:sos SIP/2.0\r\n", isSIP},
		{"MESSAGE im:bob@example.com SIP/2.0\r\n", isSIP},
		{"SUBSCRIBE pres:bob@example.com SIP/2.0\r\n", isSIP},
		{"!interesting-Method0123456789_*+`.%indeed'~ sip:a@example.com SIP/2.0\r\n", isSIP},
		{"SIP/2.0 200 OK\r\n", isSIP},
		{"\r\n\r\nREGISTER sip:example.com SIP/2.0\r\n", isSIP},
		{"\r\n\r\n\r\nSIP/2.0 200 OK\r\n", isSIP},
		{"", undecided},
		{"\r\n\r\n", undecided},
		{"\r\n\r\n\r\n\r\n", undecided},
		{"INVITE", undecided},
		{"INVITE sip:", undecided},
		{"SIP/2.0", undecided},
		{strings.Repeat("A", 64), undecided},
		{"\x16\x03\x01\x02\x00\x01\x00", isTLS},
		{"GET / HTTP/1.1\r\n", notSIP},
		{"OPTIONS * HTTP/1.1\r\n", notSIP},
		{"OPTIONS rtsp://example.com/ RTSP/1.0\r\n", notSIP},
		{"SIP/3.0 200 OK\r\n", notSIP},
		{" INVITE sip:bob@example.com SIP/2.0\r\n", notSIP},
		{"INVITE  sip:bob@example.com SIP/2.0\r\n", notSIP},
		{"\x00\x00\x00\x00", notSIP},
		{"\x80\x08binary RTP", notSIP},
		{strings.Repeat("A", 60) + " sip:a@example.com", notSIP},
		{strings.Repeat("\r\n", 5) + "INVITE sip:bob@example.com SIP/2.0\r\n", notSIP},
	} {
		if got := sniff([]byte(tt.bytes)); got != tt.want {
			t.Errorf("%q: %d, want %d", tt.bytes, got, tt.want)
		}
		if tt.want != isSIP {
			continue
		}
		for n := range tt.bytes { // no prefix is something else
			if got := sniff([]byte(tt.bytes[:n])); got != isSIP && got != undecided {
				t.Errorf("%q: %d", tt.bytes[:n], got)
			}
		}
	}
}

// TestTable: what is worth keeping stays, the rest goes, and both are bounded.
func TestTable(t *testing.T) {
	type entry struct{ n int }
	var gone []int
	tb := newTable[int](func(e *entry) bool { return e.n%10 == 0 }, func(e *entry) { gone = append(gone, e.n) })
	tb.limit = 100
	tb.put(5, &entry{5})
	for n := range 1000 {
		tb.put(n, &entry{n})
		if tb.get(5) == nil {
			t.Fatal("what is asked for again and again was forgotten")
		}
		if len(tb.young)+len(tb.old) > 2*tb.limit {
			t.Fatalf("%d entries", len(tb.young)+len(tb.old))
		}
	}
	if tb.get(0) == nil || tb.get(15) != nil || tb.get(999) == nil {
		t.Error("the wrong ones were forgotten")
	}
	for n := range 2000 {
		tb.put(10_000+10*n, &entry{10 * n})
	}
	if len(gone) == 0 || len(tb.young)+len(tb.old) > 2*tb.limit {
		t.Errorf("%d given up, %d left", len(gone), len(tb.young)+len(tb.old))
	}
	tb.remove(999)
	if tb.get(999) != nil {
		t.Error("removed, and still there")
	}
}
