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
	stopped  map[trace]event.Time // when a listener was closed, by what it shares with connections
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
	return &Listeners{bySocket: make(map[uint64]listener), byPort: make(map[place]int), stopped: make(map[trace]event.Time)}
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

// Gone is a listener that was closed.
type Gone struct{ listener }

// Closed notes that a listening socket was closed at t, and returns what it was;
// nil if it was not known, or one for datagrams.
func (l *Listeners) Closed(socket uint64, t event.Time) *Gone {
	old, known := l.bySocket[socket]
	l.Remove(socket)
	if !known || !old.stream {
		return nil
	}
	if len(l.stopped) >= maxListeners {
		clear(l.stopped)
	}
	for _, k := range [...]trace{{netns: old.netns, port: old.port}, {pid: old.owner.PID}, {netns: old.netns, name: old.owner.Name}} {
		l.stopped[k] = t
	}
	return &Gone{old}
}

// trace is one of the things by which a connection belongs to a listener: the
// port it was accepted at, the process, or the program, as the parts of a
// server are processes of their own.
type trace struct {
	netns uint64
	port  uint16
	pid   uint32
	name  string
}

func accepted(c *Conn) bool { return c.Stream() && c.Initiator == event.Remote }

// Owns says whether c belongs to the listener.
func (g *Gone) Owns(c *Conn) bool {
	return c.NetNS == g.netns && (accepted(c) && c.Local.Port() == g.port || c.Owner.Name != "" && c.Owner.Name == g.owner.Name) ||
		c.Owner.PID != 0 && c.Owner.PID == g.owner.PID
}

// stopping is how long a process that gave up a listener may take to close
// its connections as part of its end.
const stopping = 10 * time.Second

// Stopping says whether a listener that c belongs to was closed shortly before
// t: its process is shutting down or reloading.
func (l *Listeners) Stopping(c *Conn, t event.Time) bool {
	recent := func(k trace) bool {
		at, known := l.stopped[k]
		return known && t.Sub(at) <= stopping
	}
	return len(l.stopped) > 0 && (accepted(c) && recent(trace{netns: c.NetNS, port: c.Local.Port()}) ||
		c.Owner.PID != 0 && recent(trace{pid: c.Owner.PID}) ||
		c.Owner.Name != "" && recent(trace{netns: c.NetNS, name: c.Owner.Name}))
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
