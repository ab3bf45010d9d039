// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/stream"
	"github.com/viaduct-project/viaduct/agent/tlswire"
	"github.com/viaduct-project/viaduct/internal/event"
)

// wire is what a TLS connection shows on the wire, whether its plaintext can
// be had or not.
type wire struct {
	tlswire.Handshake // sides are numbered by direction
	dirs              [2]wireHalf
	alive             *keepalive.State // told by the lengths of records, nil if there were none
}

// wireHalf is one direction.
type wireHalf struct {
	stream.Reassembler
	tlswire.Reader
	lengths
}

// record takes a Record of a TLS connection.
func (c *Core) record(e *event.Event) {
	if e.Socket == 0 {
		socket, known := c.early.Hold(e)
		if !known {
			return
		}
		found := *e
		found.Socket = socket
		e = &found
	}
	conn, fresh := c.connect(e)
	if fresh {
		conn.MidLife = true
	}
	if conn.ClosedAt == 0 {
		conn.age.Join(&c.open, conn)
	}
	w := conn.wire
	if w == nil {
		w = c.makeWire(conn)
	}
	if e.Lost {
		w.dirs[0].MarkLossy()
		w.dirs[1].MarkLossy()
	}
	if conn.queued {
		c.expireWire(conn, e.Time)
	}
	d := e.Direction
	h := &w.dirs[index(d)]
	before, heldBefore := h.Extent(), h.Held()
	cursor := h.Push(e.Time, stream.Segment{Seq: e.Seq, Length: e.Length, Data: e.Payload, Lost: e.Lost}, &c.budget)
	c.pullWire(conn, d, e.Time, &cursor)
	if h.Extent() != before || h.Held() != heldBefore {
		conn.touched(d, e.Time)
	}
}

func (c *Core) makeWire(conn *connection) *wire {
	w := new(wire)
	conn.wire, conn.TLS = w, &w.Session
	if !conn.Established || conn.nextIn == 0 && conn.nextOut == 0 {
		w.dirs[0].Join()
		w.dirs[1].Join()
		return w
	}
	w.dirs[0].Start(conn.nextIn)
	w.dirs[1].Start(conn.nextOut)
	return w
}

// pullWire reads what is in order.
func (c *Core) pullWire(conn *connection, d event.Direction, t event.Time, cursor *stream.Cursor) {
	w := conn.wire
	h := &w.dirs[index(d)]
	var chunk stream.Chunk
	for cursor.Next(&chunk) {
		if chunk.Gap > 0 {
			if !h.Gap(chunk.Gap) {
				c.missWire(conn, d, chunk.Gap)
			}
			continue
		}
		missed := h.Missed
		var item tlswire.Item
		for b := chunk.Data; len(b) > 0; {
			b = h.Reader.Next(b, &item)
			switch {
			case item.Begins && item.Type == tlswire.ApplicationData:
				c.sealed(conn, d, t, item.Length)
			case item.Begins && item.Type == tlswire.Alert:
				conn.mayAlert(d, t, true)
				w.Alert(index(d))
			case len(item.Content) > 0:
				w.Content(index(d), item.Type, item.Content)
			}
		}
		if h.Missed != missed {
			c.missWire(conn, d, 0)
		}
	}
	if _, hole := h.Waiting(); hole {
		c.await(conn)
	}
}

// missWire notes that records were missed in n bytes that nobody saw, or in
// bytes that are none.
func (c *Core) missWire(conn *connection, d event.Direction, n int64) {
	conn.wire.Lost(index(d))
	if n == 0 {
		return
	}
	c.lost.SequenceGaps++
	c.lost.SequenceGapBytes += uint64(n)
	if !conn.read { // else the plaintext tells
		conn.Incomplete = true
		conn.lostBytes += uint64(n)
	}
}

// await has the connection looked at when time passes.
func (c *Core) await(conn *connection) {
	if !conn.queued {
		conn.queued = true
		c.waiting = append(c.waiting, conn)
	}
}

// expireWire says whether the wire of conn goes on waiting for something.
func (c *Core) expireWire(conn *connection, now event.Time) bool {
	waits := false
	for i := range conn.wire.dirs {
		h, d := &conn.wire.dirs[i], event.In+event.Direction(i)
		for since, hole := h.Waiting(); hole && now.Sub(since) >= holeWait; since, hole = h.Waiting() {
			at := since.Add(holeWait)
			cursor := h.Expire(at, &c.budget)
			c.pullWire(conn, d, at, &cursor)
		}
		if h.held != 0 && now.Sub(h.held) >= alertWait {
			c.settlePong(conn, d)
		}
		_, hole := h.Waiting()
		waits = waits || hole || h.held != 0
	}
	return waits
}

// finishWire ends what waits on a connection that is gone, or that nothing
// more will be heard of.
func (c *Core) finishWire(conn *connection, t event.Time) {
	conn.queued = true // keeps it from being queued now
	for i := range conn.wire.dirs {
		h, d := &conn.wire.dirs[i], event.In+event.Direction(i)
		cursor := h.Finish(t, &c.budget)
		c.pullWire(conn, d, t, &cursor)
		if h.held != 0 {
			c.settlePong(conn, d)
		}
	}
}

// sealedBytes is how many bytes of TLS went in direction d.
func (conn *connection) sealedBytes(d event.Direction) uint64 {
	if conn.wire == nil {
		return 0
	}
	return conn.wire.dirs[index(d)].Extent()
}

// dropWire keeps nothing but what the report says.
func (c *Core) dropWire(conn *connection) {
	w := conn.wire
	for i := range w.dirs {
		c.lost.Implausible += uint64(w.dirs[i].Stray)
		w.dirs[i].Drop(&c.budget)
	}
	session := w.Session
	conn.TLS, conn.heard, conn.wire = &session, w.alive, nil
}
