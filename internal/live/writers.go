// SPDX-License-Identifier: Apache-2.0

package live

import (
	"sync"

	"github.com/viaduct-project/viaduct/internal/act"
)

// few keep-alives that are due at the same time are written soon enough one after
// the other.
const few = 8

// writers write keep-alives side by side. There are as many as were ever needed,
// each with a lane of the hands to itself, so that one that is held up, by a program
// or for want of a CPU, holds up no other.
type writers struct {
	write func(*wanted)
	queue chan *wanted
	n     int
	all   sync.WaitGroup
}

func newWriters(write func(*wanted)) *writers {
	return &writers{write: write, queue: make(chan *wanted)}
}

// add has keep-alives written, and returns when the last has been begun. It must
// not be called by two goroutines at once.
func (w *writers) add(all []*wanted) {
	for ; w.n < min(act.Lanes, (len(all)+few-1)/few); w.n++ {
		w.all.Go(func() {
			for t := range w.queue {
				w.write(t)
			}
		})
	}
	for _, t := range all {
		w.queue <- t
	}
}

// end returns when what was begun is written.
func (w *writers) end() {
	close(w.queue)
	w.all.Wait()
}
