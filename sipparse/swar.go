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
	bytes7f = 0x7f7f7f7f7f7f7f7f
	bytes80 = 0x8080808080808080
)

// word returns the eight bytes at b[i:].
func word(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// firstByte returns the index of the lowest byte that is set in mask.
func firstByte(mask uint64) int { return bits.TrailingZeros64(mask) >> 3 }

// lowBytes keeps the n lowest bytes of a word, n < 8.
func lowBytes(n int) uint64 { return 1<<(uint(n)*8) - 1 }

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

// maskNotHost marks every byte that cannot be in a host name or IPv4 address:
// all but letters, digits, '-', '.' and '_'.
func maskNotHost(x uint64) uint64 {
	low := x & bytes7f
	in := (low + bytes01*(0x80-'-')) &^ (low + bytes01*(0x80-'/')) // - .
	in |= (low + bytes01*(0x80-'0')) &^ (low + bytes01*(0x80-':'))
	in |= (low + bytes01*(0x80-'A')) &^ (low + bytes01*(0x80-'['))
	in |= (low + bytes01*(0x80-'_')) &^ (low + bytes01*(0x80-'`'))
	in |= (low + bytes01*(0x80-'a')) &^ (low + bytes01*(0x80-'{'))
	return (^in | x) & bytes80
}

// foldWord turns upper-case letters to lower case, and @[\]^_ to `{|}~DEL,
// none of which is in a name here.
func foldWord(x uint64) uint64 { return x | x&(bytes01*0x40)>>1 }

// hostEnd returns the index of the first byte at or after i that cannot be in
// a host name, or len(b).
func hostEnd(b []byte, i int) int {
	s := b[i:]
	for len(s) >= 8 {
		did(8)
		if m := maskNotHost(binary.LittleEndian.Uint64(s)); m != 0 {
			return len(b) - len(s) + firstByte(m)
		}
		s = s[8:]
	}
	return run(b, len(b)-len(s), classHostName)
}

// valueStop returns the index of the first byte at or after i that ends an
// unquoted parameter value, or len(b).
func valueStop(b []byte, i int) int {
	s := b[i:]
	for len(s) >= 8 {
		did(8)
		m := maskStop(binary.LittleEndian.Uint64(s))
		if m == 0 {
			s = s[8:]
			continue
		}
		k := firstByte(m) & 7
		if class[s[k]]&classValue == 0 {
			return len(b) - len(s) + k
		}
		s = s[k+1:]
	}
	return run(b, len(b)-len(s), classValue)
}

// paramEnd returns the index of the first byte at or after i that ends an
// unquoted parameter, or len(b): what valueStop returns, if i is in front of the
// name already.
func paramEnd(b []byte, i int) int {
	s := b[i:]
	for len(s) >= 8 {
		did(8)
		x := binary.LittleEndian.Uint64(s)
		m := maskBelow(x, '-') | maskEqual(x, ';')
		if m == 0 {
			s = s[8:]
			continue
		}
		k := firstByte(m) & 7
		if class[s[k]]&classValue == 0 {
			return len(b) - len(s) + k
		}
		s = s[k+1:]
	}
	return run(b, len(b)-len(s), classValue)
}

// control returns the index of the first byte below SP at or after i, or
// len(b).
func control(b []byte, i int) int {
	s := b[i:]
	for len(s) >= 16 { // two words a turn: a branch costs more than a word
		did(16)
		x := maskBelow(binary.LittleEndian.Uint64(s), ' ')
		y := maskBelow(binary.LittleEndian.Uint64(s[8:]), ' ')
		if x|y != 0 {
			i = len(b) - len(s)
			if x != 0 {
				return i + firstByte(x)
			}
			return i + 8 + firstByte(y)
		}
		s = s[16:]
	}
	for i = len(b) - len(s); i < len(b) && b[i] >= ' '; i++ {
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
