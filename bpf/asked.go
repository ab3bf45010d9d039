// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"sync"
	"time"
)

// asked are the transactions in the table of awaited answers, by when they may
// leave it.
type asked struct {
	mu    sync.Mutex
	until map[[12]byte]time.Duration // since boot
	queue []waiting                  // in order of time; a renewed transaction is in it again
	full  uint64
}

type waiting struct {
	id    [12]byte
	until time.Duration
}

func (a *asked) add(id [12]byte, until time.Duration) {
	if a.until == nil {
		a.until = make(map[[12]byte]time.Duration)
	}
	a.until[id] = until
	a.queue = append(a.queue, waiting{id, until})
}

// expire forgets what has ended by now, after drop was called for it.
func (a *asked) expire(now time.Duration, drop func([12]byte)) {
	n := 0
	for ; n < len(a.queue) && a.queue[n].until <= now; n++ {
		if w := a.queue[n]; a.until[w.id] == w.until {
			drop(w.id)
			delete(a.until, w.id)
		}
	}
	a.queue = a.queue[n:]
}
