// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pausing fails with EAGAIN before each read that succeeds.
type pausing struct {
	io.Reader
	paused bool
}

func (p *pausing) Read(b []byte) (int, error) {
	if p.paused = !p.paused; p.paused {
		return 0, unix.EAGAIN
	}
	return p.Reader.Read(b)
}

func TestPatient(t *testing.T) {
	got, err := io.ReadAll(patient{&pausing{Reader: strings.NewReader("records")}})
	if string(got) != "records" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
