// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/viaduct-project/viaduct/internal/event"
)

// ErrClosed is returned by Read after Close.
var ErrClosed = ringbuf.ErrClosed

// Read hands every waiting record to handle, in the order in which the kernel
// saw them, and returns how many there were: at once when the programs wake it
// (much is waiting), else after wait. The event and its payload are reused:
// handle must copy what it keeps. One goroutine may read at a time.
func (p *Probes) Read(wait time.Duration, handle func(*event.Event)) (int, error) {
	p.ring.SetDeadline(time.Now().Add(wait))
	n := 0
	for {
		switch err := p.ring.ReadInto(&p.decoder.record); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return n, nil
		case err != nil:
			return n, fmt.Errorf("read the ring buffer: %w", err)
		}
		if raw := p.decoder.record.RawSample; p.others != nil && isOther(raw) {
			if err := p.others(raw); err != nil {
				return n, err
			}
			n++
			continue
		}
		e, err := p.decoder.decode(p.decoder.record.RawSample)
		if err != nil {
			return n, err
		}
		handle(e)
		n++
	}
}

// Waiting returns how many bytes of records wait to be read.
func (p *Probes) Waiting() int { return p.ring.AvailableBytes() }
