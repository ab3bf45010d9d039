// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// stops is an iterator that stops as told, and at last at its end.
type stops []error

func (s *stops) Read([]byte) (int, error) {
	if len(*s) == 0 {
		return 0, io.EOF
	}
	next := (*s)[0]
	*s = (*s)[1:]
	return 0, next
}

// What a pass has written is taken each time when it stops.
func TestReadAll(t *testing.T) {
	for _, tt := range []struct {
		name string
		read stops
		want int
		err  error
	}{
		{"in one go", stops{}, 1, nil},
		{"pauses", stops{unix.EAGAIN, unix.EAGAIN}, 3, nil},
		{"fails", stops{unix.EAGAIN, unix.EINVAL}, 1, unix.EINVAL},
	} {
		taken := 0
		err := readAll(&tt.read, func() error { taken++; return nil })
		if taken != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: taken %d times, %v; want %d, %v", tt.name, taken, err, tt.want, tt.err)
		}
	}
	refused := errors.New("refused")
	if err := readAll(&stops{unix.EAGAIN}, func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("%v, want %v", err, refused)
	}
}
