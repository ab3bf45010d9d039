// SPDX-License-Identifier: Apache-2.0

package tlsbind

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// truth is a host with a few connections, whose sessions lie at a few addresses,
// are shared by a few processes, are freed and made anew. Each call moves 12
// bytes that say which connection and direction they are of, and their number.
type truth struct {
	t      *testing.T
	r      *rand.Rand
	b      *Binder
	now    event.Time
	record int
	conns  []*conn
	socket uint64
	lossy  bool       // records and calls are missed
	unsent []func()   // records that are still to go by, in order
	since  event.Time // when the first of unsent was written
	handed map[uint64][2]uint32
	bytes  [2]int // moved, handed on
}

type conn struct {
	socket  uint64
	session uint64
	calls   [2]uint32
	writer  uint32 // the process that wrote last
}

const (
	moved = 12
	slots = 6
)

func (h *truth) take(e *event.Event) {
	socket, d, n := binary.BigEndian.Uint32(e.Payload), event.Direction(e.Payload[4]), binary.BigEndian.Uint32(e.Payload[8:])
	if uint64(socket) != e.Socket || d != e.Direction {
		h.t.Fatalf("bytes of socket %d, direction %d went to socket %d, direction %d", socket, d, e.Socket, e.Direction)
	}
	last := h.handed[e.Socket]
	if n <= last[index(d)] {
		h.t.Fatalf("socket %d, direction %d: call %d after call %d", socket, d, n, last[index(d)])
	}
	if n != last[index(d)]+1 && !e.Lost && !h.lossy {
		h.t.Fatalf("socket %d, direction %d: call %d after call %d, and nothing says so", socket, d, n, last[index(d)])
	}
	last[index(d)] = n
	h.handed[e.Socket] = last
	h.bytes[1] += e.Length
}

func (h *truth) open(slot int) {
	h.socket++
	// Another process may have a session of its own at the same address.
	c := &conn{socket: h.socket, session: uint64(slot % (slots - 1))}
	h.conns[slot] = c
	h.b.Opened(&event.Event{Kind: event.Opened, Transport: event.TLS, Socket: c.socket, OpenedAt: h.now, NextIn: 1, NextOut: 1})
}

// step has one thing happen.
func (h *truth) step(what, slot, worker byte) {
	c := h.conns[int(slot)%slots]
	// Two slots share an address: their processes differ.
	pid := uint32(worker%3) + 10*uint32(int(slot)%slots/(slots-1))
	switch what % 8 {
	case 0, 1, 2, 3:
		h.move(c, pid, event.In+event.Direction(what%2))
	case 4:
		h.sent(1)
	case 5:
		h.pass(time.Duration(worker) * time.Millisecond)
	case 6:
		if worker%8 == 0 { // the connection ends; its socket and session are used up
			h.sent(len(h.unsent))
			h.b.Gone(Session{1, c.session}, true)
			h.b.Closed(c.socket, h.now)
			h.open(int(slot) % slots)
		}
	case 7:
		h.sent(len(h.unsent))
	}
}

// pass lets time go by. What is written is sent before the binder gives it up.
func (h *truth) pass(d time.Duration) {
	h.now = h.now.Add(d)
	if h.now.Sub(h.since) >= holdFor {
		h.sent(len(h.unsent))
	}
	h.b.Tick(h.now)
}

// sent has n of the records that were written go by.
func (h *truth) sent(n int) {
	for ; n > 0 && len(h.unsent) > 0; n-- {
		h.unsent[0]()
		h.unsent = h.unsent[1:]
	}
}

func (h *truth) move(c *conn, pid uint32, d event.Direction) {
	if d == event.Out && c.writer != pid {
		// Who encrypts under a lock sends under it.
		h.sent(len(h.unsent))
		c.writer = pid
	}
	h.record++
	f := fragment(h.record)
	pass := func() {
		if h.lossy && h.r.IntN(4) == 0 {
			return
		}
		payload := append([]byte{applicationData, 3, 3, 0, 95}, f[:]...)
		h.b.Record(&event.Event{Kind: event.Record, Transport: event.TLS, Socket: c.socket, Direction: d, Payload: payload})
	}
	later := d == event.Out && h.r.IntN(2) == 0
	if !later {
		if d == event.Out {
			h.sent(len(h.unsent)) // a socket's bytes keep their order
		}
		pass()
	}
	c.calls[index(d)]++
	if h.lossy && h.r.IntN(8) == 0 {
		return // the process was not followed, or had it read by other means
	}
	payload := make([]byte, moved)
	binary.BigEndian.PutUint32(payload, uint32(c.socket))
	payload[4] = byte(d)
	binary.BigEndian.PutUint32(payload[8:], c.calls[index(d)])
	h.bytes[0] += moved
	call := Call{
		Time: h.now, Session: Session{pid, c.session}, Direction: d, Length: moved, Payload: payload,
		HasFragment: !h.lossy || h.r.IntN(4) > 0, Fragment: f,
	}
	h.b.Call(&call)
	clear(payload) // it was the source's
	if later {
		if len(h.unsent) == 0 {
			h.since = h.now
		}
		h.unsent = append(h.unsent, pass)
	}
}

// FuzzBinding: whatever comes in whatever order, no byte goes to a connection
// that it is not of, none comes twice or in another order, and where nothing is
// missed nothing is missing.
func FuzzBinding(f *testing.F) {
	for seed := range uint64(16) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 600)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(seed, seed%2 == 0, b)
	}
	f.Fuzz(func(t *testing.T, seed uint64, lossy bool, steps []byte) {
		h := &truth{t: t, r: rand.New(rand.NewPCG(seed, 2)), now: start, lossy: lossy, conns: make([]*conn, slots), handed: make(map[uint64][2]uint32)}
		h.b = New(h.take)
		for pid := range uint32(64) {
			h.b.Followed(pid, start)
		}
		for slot := range slots {
			h.open(slot)
		}
		const most = 10_000 // what waits stays below the binder's bounds
		for n := 0; n < most && len(steps) >= 3; n++ {
			h.step(steps[0], steps[1], steps[2])
			steps = steps[3:]
		}
		h.sent(len(h.unsent))
		c := h.b.Counters()
		if h.bytes[1]+int(c.UnboundBytes)+moved*int(c.Late)+h.b.Gauges().Held != h.bytes[0] {
			t.Fatalf("%d bytes moved, %d handed on, %+v, %+v", h.bytes[0], h.bytes[1], c, h.b.Gauges())
		}
		if !lossy && (h.bytes[1]+moved*int(c.Late) != h.bytes[0] || c.Conflicting != 0) {
			t.Fatalf("%d bytes moved, %d handed on, %+v", h.bytes[0], h.bytes[1], c)
		}
	})
}
