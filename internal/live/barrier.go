// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"sync"
)

// barrier lets another goroutine wait until the reader has handled every record
// that the kernel had written before. What the core says of a connection is true
// only up to the last record that it was handed.
type barrier struct {
	mu      sync.Mutex
	waiting []chan struct{} // for a read that begins
	due     []chan struct{} // for the read under way to end
	ended   bool
}

var errNotReading = errors.New("viaduct has stopped reading: what happened last is not known")

// wait returns when the reader has caught up with now, or errNotReading.
func (b *barrier) wait() error {
	passed := make(chan struct{})
	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		return errNotReading
	}
	b.waiting = append(b.waiting, passed)
	b.mu.Unlock()
	<-passed
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return errNotReading
	}
	return nil
}

// begin is called by the reader before it empties the ring, and emptied when it
// has, and nothing more was waiting.
func (b *barrier) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.due, b.waiting = b.waiting, nil
}

func (b *barrier) emptied() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, passed := range b.due {
		close(passed)
	}
	b.due = nil
}

// end lets those go who still wait, and all who come later.
func (b *barrier) end() {
	b.mu.Lock()
	b.ended = true
	b.due, b.waiting = append(b.due, b.waiting...), nil
	b.mu.Unlock()
	b.emptied()
}
