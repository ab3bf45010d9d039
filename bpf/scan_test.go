// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"io"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pieces is a reader that gives and fails as told.
type pieces []any // an int: so many bytes; an error

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	next := (*p)[0]
	*p = (*p)[1:]
	if err, is := next.(error); is {
		return 0, err
	}
	return next.(int), nil
}

// An iterator's reader gives what it has, in the middle of a record or not, and
// pauses.
func TestReadRecords(t *testing.T) {
	size := int(unsafe.Sizeof(programsLifeRecord{}))
	for _, tt := range []struct {
		name string
		read pieces
		want int
		err  error
	}{
		{"nothing", pieces{}, 0, nil},
		{"whole", pieces{size, 2 * size}, 3, nil},
		{"split", pieces{size - 1, 2, 2*size - 1}, 3, nil},
		{"pauses", pieces{unix.EAGAIN, size, unix.EAGAIN, unix.EAGAIN, size}, 2, nil},
		{"fails", pieces{size, unix.EINVAL, size}, 1, unix.EINVAL},
	} {
		got := 0
		err := readRecords(&tt.read, func(b []byte) error {
			if len(b) != size {
				t.Errorf("%s: a record of %d bytes, want %d", tt.name, len(b), size)
			}
			got++
			return nil
		})
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d records and %v, want %d and %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}
