// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"bytes"
	"strconv"
	"testing"
)

// TestMasks holds each mask against the class it stands for, for every byte in
// every place.
func TestMasks(t *testing.T) {
	for c := range 256 {
		b := byte(c)
		for at := range 8 {
			x := uint64(bytes01 * 'a')
			x = x&^(0xff<<(8*at)) | uint64(b)<<(8*at)
			for name, m := range map[string]struct {
				mask uint64
				want bool
			}{
				"stop":    {maskStop(x), b < '-' || b >= ':' && b <= '?'},
				"value":   {maskValue(x), b < '-' || b == ';'},
				"host":    {maskNotHost(x), class[b]&classHostName == 0 || b == '_'},
				"control": {maskBelow(x, ' '), b < ' '},
				"equal":   {maskEqual(x, ':'), b == ':'},
			} {
				if got := m.mask != 0; got != m.want || got && firstByte(m.mask) != at {
					t.Errorf("%s: byte %#x at %d: mask %#x", name, b, at, m.mask)
				}
			}
		}
	}
}

// TestEnds: what the functions find by words is what there is byte by byte, in
// every place and with every byte, and in all of it if there is none.
func TestEnds(t *testing.T) {
	const n = 40
	for c := range 256 {
		for at := range n + 1 {
			b := bytes.Repeat([]byte("a-0._\xffZ9"), 8)[:n+quickSlack] // some of each class
			want := func(in func(byte) bool) int {
				i := 0
				for i < n && in(b[i]) {
					i++
				}
				return i
			}
			b[at] = byte(c)
			for name, f := range map[string]struct{ got, want int }{
				"value":   {valueStop(b[:n], 0), want(func(c byte) bool { return class[c]&classValue != 0 })},
				"control": {control(b[:n:n], 0), want(func(c byte) bool { return c >= ' ' })},
				"host":    {hostEnd(b[:n], at), at + run(b[at:n], 0, classHostName)},
			} {
				if min(f.got, n) != f.want {
					t.Fatalf("%s: byte %#x at %d: %d, want %d", name, c, at, f.got, f.want)
				}
			}
		}
	}
}

func TestDigits(t *testing.T) {
	for _, s := range []string{"", "0", "7", "10", "065", "5060", "65535", "999999", "1234567", "0000001"} {
		for c := range 256 {
			if c-'0' >= 0 && c-'0' <= 9 {
				continue
			}
			b := append([]byte(s), byte(c), '9', 0xff, '0', '9', '9', '9', '9')
			want, _ := strconv.Atoi(s)
			if n, k := digits(word(b, 0)); k != len(s) || k > 0 && int(n) != want {
				t.Fatalf("%q: %d, %d digits", b, n, k)
			}
		}
	}
	if _, k := digits(key8("12345678")); k != 0 {
		t.Errorf("eight digits: %d", k)
	}
}
