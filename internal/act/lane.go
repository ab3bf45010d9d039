// SPDX-License-Identifier: Apache-2.0

package act

import (
	"sync"

	"github.com/viaduct-project/viaduct/internal/act/guard"
)

// Lanes is how many keep-alives are written side by side. To write one is, most of
// the time, to wait for a CPU, and to wait for one after the other takes too long
// where there are thousands a second.
const Lanes = 4

// lane writes one keep-alive after the other, by a process of its own.
type lane struct {
	number  int
	mu      sync.Mutex    // guards what follows; held by whoever uses the lane
	writer  *guard.Writer // started when first needed
	refused error         // why there is none; it is not asked for again
}

// lane waits for one that can write, which the caller must unlock. It is the first
// that is free, so that no more processes are started than are needed. If not even
// the first can be had, the error says why.
func (h *Hands) lane() (*lane, error) {
	for i := range h.sends.lanes {
		l := &h.sends.lanes[i]
		if !l.mu.TryLock() {
			continue
		}
		err := h.open(l)
		if err == nil {
			return l, nil
		}
		l.mu.Unlock()
		if i == 0 {
			return nil, err
		}
	}
	first := &h.sends.lanes[0]
	first.mu.Lock()
	if err := h.open(first); err != nil {
		first.mu.Unlock()
		return nil, err
	}
	return first, nil
}

func (h *Hands) open(l *lane) error {
	if l.writer == nil && l.refused == nil {
		l.writer, l.refused = guard.New(h.reach.StandingFD(), h.marks.OwnBytes())
	}
	return l.refused
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writer != nil {
		l.writer.Close()
		l.writer = nil
	}
}
