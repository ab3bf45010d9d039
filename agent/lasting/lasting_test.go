// SPDX-License-Identifier: Apache-2.0

package lasting

import "testing"

// The numbers stand in files: another process, and another version, must come
// to the same.
func TestHash(t *testing.T) {
	for _, tt := range []struct {
		parts [][]byte
		want  uint64
	}{
		{nil, 0xe3b0c44298fc1c14},
		{[][]byte{[]byte("call@example.com")}, 0x2f7a04d28e9400e},
		{[][]byte{[]byte("ab"), []byte("c")}, 0xf2939f903016e5bb},
		{[][]byte{[]byte("a"), []byte("bc")}, 0xb534ce16ac9c8b36},
	} {
		if got := Hash(tt.parts...); got != tt.want {
			t.Errorf("%q: %#x, want %#x", tt.parts, got, tt.want)
		}
	}
	if got, want := Numbers(1, 2), Hash([]byte("\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02")); got != want {
		t.Errorf("numbers: %#x, want %#x", got, want)
	}
}

func BenchmarkHash(b *testing.B) {
	call, local, remote := []byte("7d3a8f0c-0b6e-4a55@192.0.2.17"), []byte("as58f4201b"), []byte("1928301774")
	b.ReportAllocs()
	for b.Loop() {
		Hash(call, local, remote)
	}
}
