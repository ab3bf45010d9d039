// SPDX-License-Identifier: Apache-2.0

// Package early brings bytes that were seen with the listener's socket to the
// connection they belong to. The last ACK of a handshake, and data that rides
// on it, reaches the observer before the connection has a socket of its own,
// so such a segment is known by its addresses only.
package early

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// Wait is how long a segment waits for its connection, and a connection
	// for segments.
	Wait = 5 * time.Second
	// MaxSegments and MaxBytes bound what waits.
	MaxSegments = 4096
	MaxBytes    = 4 << 20
)

// Tuple is what a segment without a socket is known by.
type Tuple struct {
	Local, Remote netip.AddrPort
	NetNS         uint64
}

// TupleOf returns the tuple of e.
func TupleOf(e *event.Event) Tuple {
	return Tuple{unmapped(e.Local), unmapped(e.Remote), e.NetNS}
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Table holds segments until their connection opens, and the sockets of
// connections that opened a moment ago for segments that come after it.
type Table struct {
	Unclaimed uint64 // segments given up

	segments map[Tuple][]event.Event
	order    []entry // segments by age
	opened   map[Tuple]uint64
	recent   []entry // opened by age
	held     int
	bytes    int
}

type entry struct {
	tuple Tuple
	at    event.Time
}

// New returns an empty table.
func New() *Table {
	return &Table{segments: make(map[Tuple][]event.Event), opened: make(map[Tuple]uint64)}
}

// Len is the number of segments and of connections held.
func (tb *Table) Len() (segments, opened int) { return tb.held, len(tb.opened) }

// Hold takes in a segment without a socket. If its connection is known already
// its socket is returned, and the segment is not held.
func (tb *Table) Hold(e *event.Event) (socket uint64, known bool) {
	tb.Expire(e.Time)
	k := TupleOf(e)
	if s, ok := tb.opened[k]; ok {
		return s, true
	}
	if tb.held >= MaxSegments || tb.bytes+len(e.Payload) > MaxBytes {
		tb.Unclaimed++
		return 0, false
	}
	held := *e
	held.Payload = append([]byte(nil), e.Payload...)
	tb.segments[k] = append(tb.segments[k], held)
	tb.order = append(tb.order, entry{k, e.Time})
	tb.held++
	tb.bytes += len(held.Payload)
	return 0, false
}

// Claim notes that a connection opened and returns the segments that waited
// for it, in the order in which they came.
func (tb *Table) Claim(e *event.Event) []event.Event {
	tb.Expire(e.Time)
	k := TupleOf(e)
	tb.remember(k, e)
	segments := tb.take(k)
	if k.NetNS != 0 { // the segment's may not be known
		k.NetNS = 0
		tb.remember(k, e)
		segments = append(segments, tb.take(k)...)
	}
	return segments
}

func (tb *Table) remember(k Tuple, e *event.Event) {
	tb.opened[k] = e.Socket
	tb.recent = append(tb.recent, entry{k, e.Time})
	if len(tb.recent) > 2*MaxSegments {
		tb.forget()
	}
}

func (tb *Table) take(k Tuple) []event.Event {
	segments := tb.segments[k]
	delete(tb.segments, k)
	tb.held -= len(segments)
	for i := range segments {
		tb.bytes -= len(segments[i].Payload)
	}
	return segments
}

func (tb *Table) forget() {
	delete(tb.opened, tb.recent[0].tuple)
	tb.recent = tb.recent[1:]
}

// Expire gives up what has waited for too long.
func (tb *Table) Expire(now event.Time) {
	for len(tb.order) > 0 && now.Sub(tb.order[0].at) >= Wait {
		tb.Unclaimed += uint64(len(tb.take(tb.order[0].tuple)))
		tb.order = tb.order[1:]
	}
	for len(tb.recent) > 0 && now.Sub(tb.recent[0].at) >= Wait {
		tb.forget()
	}
	if len(tb.order) == 0 {
		tb.order = nil
	}
	if len(tb.recent) == 0 {
		tb.recent = nil
	}
}
