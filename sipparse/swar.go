// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"encoding/binary"
	"math/bits"
)

// Eight bytes at a time. The usual message is read by words: a word is loaded,
// a mask has bit 7 set in every byte of interest, and the lowest such byte is
// the next in the text. What these quick paths do not recognise is left to the
// byte-wise ones, which decide what everything means.

const (
	bytes01 = 0x0101010101010101
	bytes20 = 0x2020202020202020
	bytes7f = 0x7f7f7f7f7f7f7f7f
	bytes80 = 0x8080808080808080
)

// word returns the eight bytes at b[i:], which may be behind len(b) but not behind
// cap(b). All three indices are given because the compiler then needs no check
// but this one, and no arithmetic for an empty rest.
func word(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i : i+8 : i+8]) }

// firstByte returns the index of the lowest byte that is set in mask.
func firstByte(mask uint64) int { return bits.TrailingZeros64(mask) >> 3 }

// before keeps the bytes in front of the lowest one that is set in mask.
func before(mask uint64) uint64 { return (mask&-mask)>>7 - 1 }

// lowBytes keeps the n lowest bytes of a word, n < 8.
func lowBytes(n int) uint64 { return 1<<(uint(n)*8&63) - 1 }

// byteAt returns the n-th byte of a word, n < 8.
func byteAt(x uint64, n int) byte { return byte(x >> (uint(n) * 8 & 63)) }

// maskEqual marks the bytes that equal c, exactly up to the first one.
func maskEqual(x uint64, c byte) uint64 {
	x ^= bytes01 * uint64(c)
	return (x - bytes01) &^ x & bytes80
}

// maskBelow marks the bytes below n <= 128, exactly up to the first one.
func maskBelow(x uint64, n byte) uint64 {
	return (x - bytes01*uint64(n)) &^ x & bytes80
}

// maskStop marks every byte that may end a token or a parameter value: those
// below '-', and : ; < = > ?. Some of them do not.
func maskStop(x uint64) uint64 {
	low := x & bytes7f
	from2d := low + bytes01*(0x80-'-')
	from3a := low + bytes01*(0x80-':')
	from40 := low + bytes01*(0x80-'@')
	return (^from2d | from3a&^from40) &^ x & bytes80
}

// maskValue marks the bytes that may end a parameter value: those below '-', and
// semicolons, exactly up to the first one.
func maskValue(x uint64) uint64 {
	semicolon := x ^ bytes01*';'
	return ((x-bytes01*'-')&^x | (semicolon-bytes01)&^semicolon) & bytes80
}

// maskNotHost marks the bytes that cannot be in a host name or IPv4 address: all
// but letters, digits, '-' and '.', exactly up to the first one. It marks '_',
// too, which can be in one.
func maskNotHost(x uint64) uint64 {
	low := x & bytes7f
	lower := low | bytes20
	in := (low + bytes01*(0x80-'-')) &^ (low + bytes01*(0x80-':')) // - . / and digits
	in |= (lower + bytes01*(0x80-'a')) &^ (lower + bytes01*(0x80-'{'))
	slash := x ^ bytes01*'/'
	return (^in | x | (slash-bytes01)&^slash) & bytes80
}

// foldWord turns upper-case letters to lower case, and @[\]^_ to `{|}~DEL,
// none of which is in a name here.
func foldWord(x uint64) uint64 { return x | x&(bytes01*0x40)>>1 }

// foldLetters turns upper-case letters to lower case and nothing else.
func foldLetters(x uint64) uint64 {
	low := x & bytes7f
	upper := (low + bytes01*(0x80-'A')) &^ (low + bytes01*(0x80-'[')) &^ x & bytes80
	return x | upper>>2
}

// digits reads the digits at the start of a word, up to seven of them, and
// returns how many there are: none if there are eight.
func digits(x uint64) (n uint32, count int) {
	x ^= bytes01 * '0'
	m := (x + bytes01*(0x80-10) | x) & bytes80
	count = firstByte(m) & 7
	// The number is shifted up against the end of the word, so that zeros stand in
	// front of it; then two, four and eight digits are put together.
	x <<= (64 - uint(count)*8) & 63
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff
	x = (x*100 + x>>16) & 0x0000ffff0000ffff
	return uint32(x*10000 + x>>32), count
}

// control returns the index of the first byte below SP at or after i, or len(b).
// It looks at two words a turn, and masks in haste, which takes bytes of 0xa0 and
// above for the end as well: those are looked at again.
func control(b []byte, i int) int {
	if i < 0 { // never; but said here, the loop needs no check
		return len(b)
	}
	for ; i <= len(b)-16; i += 16 {
		did(16)
		s := b[i : i+16 : i+16]
		x, y := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[8:])
		if ((x-bytes20)|(y-bytes20))&bytes80 == 0 {
			continue
		}
		if m := maskBelow(x, ' '); m != 0 {
			return i + firstByte(m)
		}
		if m := maskBelow(y, ' '); m != 0 {
			return i + 8 + firstByte(m)
		}
	}
	for i < len(b) && b[i] >= ' ' {
		did(1)
		i++
	}
	return i
}

// hostEnd returns the index of the first byte at or after i that cannot be in
// a host name. It may return an index behind b, which must have
// quickSlack bytes behind it.
func hostEnd(b []byte, i int) int {
	if i < 0 { // never; but said here, the loop needs no check
		return i
	}
	for b = b[:len(b)+8]; i <= len(b)-8; {
		did(8)
		x := word(b, i)
		m := maskNotHost(x)
		if m == 0 {
			i += 8
			continue
		}
		k := firstByte(m)
		i += k
		if byteAt(x, k) != '_' {
			return i
		}
		i++
	}
	return i
}

// valueStop returns the index of the first byte at or after i that ends an
// unquoted parameter value. It may return an index behind b, which must have
// quickSlack bytes behind it.
func valueStop(b []byte, i int) int {
	if i < 0 {
		return i
	}
	for b = b[:len(b)+8]; i <= len(b)-8; {
		did(8)
		x := word(b, i)
		m := maskValue(x)
		if m == 0 {
			i += 8
			continue
		}
		k := firstByte(m)
		i += k
		if class[byteAt(x, k)]&classValue == 0 {
			return i
		}
		i++
	}
	return i
}

// key8 is a name of up to eight lower-case bytes as foldWord gives it.
func key8(name string) uint64 {
	var k uint64
	for i := len(name) - 1; i >= 0; i-- {
		k = k<<8 | uint64(name[i])
	}
	return k
}
