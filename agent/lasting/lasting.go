// SPDX-License-Identifier: Apache-2.0

// Package lasting maps identifiers to numbers that are the same in every
// process: what is saved by one agent must mean the same to the next. Where
// nothing outlives the process hash/maphash is faster.
package lasting

import (
	"crypto/sha256"
	"encoding/binary"
)

// Hash returns the number that stands for the parts in their order. Nobody can
// choose parts whose number is that of others', so it may be a key by itself.
func Hash(parts ...[]byte) uint64 {
	var room [192]byte // of most Call-IDs and tags, so that nothing is allocated
	b := room[:0]
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// Numbers is Hash of numbers.
func Numbers(numbers ...uint64) uint64 {
	var room [64]byte
	b := room[:0]
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return Hash(b)
}
