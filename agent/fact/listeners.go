// SPDX-License-Identifier: Apache-2.0

package fact

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// maxListeners is more than a host listens at.
const maxListeners = 100_000

// Listeners are the TCP sockets that accept connections and the UDP sockets
// that were seen, as far as the source tells them.
type Listeners struct {
	Evicted  uint64
	bySocket map[uint64]listener
	stopped  map[uint32]event.Time // processes that closed a listener, and when
	byPort   map[place]int
}

// place is where something listens.
type place struct {
	netns  uint64
	stream bool
	port   uint16
}

type listener struct {
	place
	addr  netip.Addr
	owner event.Process
}

// NewListeners returns an empty set.
func NewListeners() *Listeners {
	return &Listeners{bySocket: make(map[uint64]listener), byPort: make(map[place]int), stopped: make(map[uint32]event.Time)}
}

// Add notes that socket listens at local.
func (l *Listeners) Add(socket, netns uint64, stream bool, local netip.AddrPort, owner event.Process) {
	l.Remove(socket)
	if len(l.bySocket) >= maxListeners {
		l.Evicted++
		return
	}
	p := place{netns, stream, local.Port()}
	l.bySocket[socket] = listener{p, local.Addr().Unmap(), owner}
	l.byPort[p]++
}

// Closed notes that a listening socket was closed at t.
func (l *Listeners) Closed(socket uint64, t event.Time) {
	if old, known := l.bySocket[socket]; known && old.stream && old.owner.PID != 0 {
		if len(l.stopped) >= maxListeners {
			clear(l.stopped)
		}
		l.stopped[old.owner.PID] = t
	}
	l.Remove(socket)
}

// stopping is how long a process that gave up a listener may take to close
// its connections as part of its end.
const stopping = 10 * time.Second

// Stopping says whether the process closed a listener shortly before t: it is
// shutting down or reloading.
func (l *Listeners) Stopping(pid uint32, t event.Time) bool {
	at, known := l.stopped[pid]
	return known && pid != 0 && t.Sub(at) <= stopping
}

// Remove notes that socket is gone.
func (l *Listeners) Remove(socket uint64) {
	old, known := l.bySocket[socket]
	if !known {
		return
	}
	delete(l.bySocket, socket)
	if l.byPort[old.place]--; l.byPort[old.place] == 0 {
		delete(l.byPort, old.place)
	}
}

// Known says whether any listener was seen at all in the network namespace: a
// capture file has none, and nothing can be said from there being none.
func (l *Listeners) Known(netns uint64) bool {
	for p := range l.byPort {
		if p.netns == netns {
			return true
		}
	}
	return false
}

// At says whether something listens at the port, on whatever address.
func (l *Listeners) At(netns uint64, stream bool, port uint16) bool {
	return l.byPort[place{netns, stream, port}] > 0
}
