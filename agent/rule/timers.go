// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"container/heap"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/internal/event"
)

const maxTimers = 2_000_000

// timer is something to look at later.
type timer struct {
	at   event.Time
	conn *fact.Conn
	rule *bound
	f    func(*Scene)
}

// timers is a heap, the next one due first.
type timers []timer

func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].at < h[j].at }
func (h timers) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timers) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timers) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return t
}

func (h *timers) add(at event.Time, c *fact.Conn, b *bound, f func(*Scene)) bool {
	if len(*h) >= maxTimers {
		return false
	}
	heap.Push(h, timer{at, c, b, f})
	return true
}

// due takes the next timer out if its time has come.
func (h *timers) due(now event.Time) (t timer, ok bool) {
	if len(*h) == 0 || (*h)[0].at > now {
		return t, false
	}
	return heap.Pop(h).(timer), true
}
