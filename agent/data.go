// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/stream"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

const (
	// crlfWait is how long a lone CRLF may become the first half of a ping.
	// The halves of one write come within a round trip.
	crlfWait = time.Second
	// holeWait is how long a hole in a stream may be filled: longer than TCP
	// takes to send a segment a few times.
	holeWait = 30 * time.Second
)

// segment takes the Data of a TCP connection.
func (c *Core) segment(e *event.Event) {
	if e.Length > len(e.Payload) {
		c.lost.Truncated++
	}
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
	if conn.streams == nil {
		c.makeStreams(conn)
	}
	if e.Lost {
		conn.Incomplete = true
		conn.streams[0].MarkLossy()
		conn.streams[1].MarkLossy()
	}
	if conn.queued {
		c.expireStreams(conn, e.Time)
	}
	d := e.Direction
	h := &conn.streams[index(d)]
	before, heldBefore := h.Extent(), h.Held()
	own := e.Own || conn.ownAnswer(d, e.Payload, e.Time)
	cursor := h.Push(e.Time, stream.Segment{Seq: e.Seq, Length: e.Length, Data: e.Payload, Lost: e.Lost, Own: e.Own}, &c.budget)
	c.pull(conn, d, e.Time, &cursor)
	if !own && (h.Extent() != before || h.Held() != heldBefore) {
		conn.touched(d, e.Time) // more than a retransmission
	}
}

// makeStreams begins both directions.
func (c *Core) makeStreams(conn *connection) {
	conn.streams, conn.read = new([2]half), true
	known := 1
	if conn.Established {
		known = 0
	}
	for i := range conn.streams {
		conn.streams[i].framer = sipparse.NewFramer(&c.framing[known])
	}
	if conn.Established {
		c.begin(conn)
	}
}

// begin tells the streams where they start; bytes that came before the first
// one seen are lost.
func (c *Core) begin(conn *connection) {
	for i, next := range [2]uint32{conn.nextIn, conn.nextOut} {
		if conn.nextIn == 0 && conn.nextOut == 0 {
			return // the source does not know
		}
		h := &conn.streams[i]
		if gap := h.Start(next); gap > 0 {
			c.countGap(conn, event.In+event.Direction(i), gap)
		}
	}
}

// countGap counts bytes that nobody saw. They were sent all the same.
func (c *Core) countGap(conn *connection, d event.Direction, n int64) {
	conn.add(d, int(n))
	conn.Incomplete = true
	conn.lostBytes += uint64(n)
	c.lost.SequenceGaps++
	c.lost.SequenceGapBytes += uint64(n)
}

// pull hands what is in order to the framer, and what the framer finds on.
func (c *Core) pull(conn *connection, d event.Direction, t event.Time, cursor *stream.Cursor) {
	h := &conn.streams[index(d)]
	var chunk stream.Chunk
	moved := false
	for cursor.Next(&chunk) {
		switch {
		case chunk.Own:
			conn.add(d, len(chunk.Data))
			c.ownPing(conn, d, t)
			continue // it is no part of what the program says
		case chunk.Gap > 0:
			moved = true
			c.countGap(conn, d, chunk.Gap)
			h.framer.Gap(chunk.Gap)
		default:
			moved = true
			conn.add(d, len(chunk.Data))
			h.lines(chunk.Data)
			h.framer.Push(chunk.Data)
		}
		c.items(conn, d, t)
		if h.framer.InMessage() { // elsewhere nobody asks
			h.lined = bytes.HasSuffix(chunk.Data, crlf)
		}
	}
	h.framer.Push(nil) // lets go of the payload
	_, hole := h.Waiting()
	conn.Hole[index(d)] = hole
	if moved {
		h.last = 0
		if !h.framer.AtBoundary() && !h.framer.InMessage() {
			h.last = t
		}
	}
	if hole || h.last != 0 {
		c.await(conn)
	}
}

// lines looks for a ping inside a message: a chunk of its own, behind a whole
// line. A writer that ends a head like that has one CRLF to add, not two.
func (h *half) lines(b []byte) {
	if len(b) == 4 && string(b) == "\r\n\r\n" && h.lined && h.framer.InMessage() {
		h.inside = h.framer.Offset() + 4
	}
}

var crlf = []byte("\r\n")

// settle decides what the framer holds: the peer has paused.
func (c *Core) settle(conn *connection, d event.Direction) {
	h := &conn.streams[index(d)]
	t := h.last
	h.last = 0
	h.framer.Flush()
	c.items(conn, d, t)
}

// items takes what the framer found.
func (c *Core) items(conn *connection, d event.Direction, t event.Time) {
	h := &conn.streams[index(d)]
	var item sipparse.Item
	for h.framer.Next(&item) {
		switch item.Kind {
		case sipparse.ItemMessage:
			if item.Offset >= h.inside && item.Code == sipparse.CodeNone {
				h.inside = 0
			}
			c.framed(conn, d, t, &item)
		case sipparse.ItemPing:
			c.ping(conn, d, t)
		case sipparse.ItemPong:
			c.pong(conn, d, t)
		case sipparse.ItemDefect:
			conn.Messages.Malformed++
			c.lost.ParseErrors++
			c.judgeDefect(conn, d, t, &item)
		case sipparse.ItemSkipped:
			if conn.MidLife { // met within a message: a pong may have been taken for a line of it
				conn.Incomplete = true
			}
		case sipparse.ItemSTUN:
			kind := keepalive.KindOf(item.Head)
			c.peerOf(conn).Keepalives[metrics.Application][kind][d]++
			c.judgeBeat(conn, d, t, rule.Beat{Kind: kind, Raw: item.Head})
		}
	}
}

// framed takes a message of a stream.
func (c *Core) framed(conn *connection, d event.Direction, t event.Time, item *sipparse.Item) {
	c.message(conn, d, t, item.Head, int(item.Length), item.Recovered)
	if item.Code != sipparse.CodeNone {
		c.judgeDefect(conn, d, t, item)
	}
}

func (c *Core) ping(conn *connection, d event.Direction, t event.Time) {
	c.stale(conn)
	if u := conn.upkeep; u != nil && d == event.In && u.AwaitsTwo(conn.Alive != nil && conn.Alive.Waiting(event.Out, t) != 0) {
		c.pong(conn, d, t) // two pongs in one segment, at least one of which is for viaduct
		c.pong(conn, d, t)
		return
	}
	if conn.keepalives().Ping(d, t) {
		c.peerOf(conn).Keepalives[metrics.Application][keepalive.Ping][d]++
		c.judgeBeat(conn, d, t, rule.Beat{Kind: keepalive.Ping})
		return
	}
	c.peerOf(conn).Keepalives[metrics.Application][keepalive.Pong][d] += 2
	for range 2 {
		c.judgeBeat(conn, d, t, rule.Beat{Kind: keepalive.Pong, Answered: true})
	}
}

func (c *Core) pong(conn *connection, d event.Direction, t event.Time) {
	c.stale(conn)
	if c.ownPong(conn, d, t) {
		return
	}
	if conn.Alive == nil { // nobody pinged: do not allocate for padding
		c.stray(conn, d, t)
		return
	}
	rtt, ok := conn.Alive.Pong(d, t)
	if !ok {
		c.stray(conn, d, t)
		return
	}
	if d == event.In {
		c.replied(conn)
	}
	c.peerOf(conn).Keepalives[metrics.Application][keepalive.Pong][d]++
	c.peerOf(conn).RoundTrip.Observe(rtt.Seconds())
	c.judgeBeat(conn, d, t, rule.Beat{Kind: keepalive.Pong, Answered: true, RTT: rtt})
}

// stray takes a lone CRLF that answers nothing.
func (c *Core) stray(conn *connection, d event.Direction, t event.Time) {
	if u := conn.upkeep; u != nil && d == event.Out {
		if h, after := u.Stray(t); h != assist.Unharmed {
			c.harmed(conn, t, rule.Upkeep{Harm: h, After: after})
			return // viaduct's ping was the cause
		}
	}
	c.peerOf(conn).Keepalives[metrics.Application][keepalive.Stray][d]++
	c.judgeBeat(conn, d, t, rule.Beat{Kind: keepalive.Stray})
}

// decide settles and gives up all that the streams of conn hold.
func (c *Core) decide(conn *connection, t event.Time) {
	if conn.wire != nil {
		c.finishWire(conn, t)
	}
	if conn.streams == nil {
		return
	}
	conn.queued = true // keeps it from being queued now
	for i := range conn.streams {
		h, d := &conn.streams[i], event.In+event.Direction(i)
		if h.last != 0 {
			c.settle(conn, d)
		}
		cursor := h.Finish(t, &c.budget)
		c.pull(conn, d, t, &cursor)
		if h.last != 0 {
			c.settle(conn, d)
		}
	}
}

// finish ends the streams of a connection that is gone.
func (c *Core) finish(conn *connection) {
	if conn.streams != nil {
		t := max(conn.LastIn, conn.LastOut)
		c.decide(conn, t)
		for i := range conn.streams {
			h, d := &conn.streams[i], event.In+event.Direction(i)
			h.framer.End()
			c.items(conn, d, t)
			c.lost.Implausible += uint64(h.Stray)
		}
	}
	if conn.wire != nil {
		c.finishWire(conn, max(conn.LastIn, conn.LastOut))
	}
	if conn.Established && conn.Transport == event.TCP {
		c.compare(conn, event.In, conn.counts.BytesReceived, conn.bytesIn)
		c.compare(conn, event.Out, conn.counts.BytesSent, conn.bytesOut)
	}
}

// compare finds the loss that no later segment shows: what the kernel counted
// and was not seen. Its count has the sequence numbers of SYN and FIN in it.
func (c *Core) compare(conn *connection, d event.Direction, counted, seen uint64) {
	const synAndFIN = 2
	if counted <= seen+synAndFIN {
		return
	}
	c.countGap(conn, d, int64(counted-seen))
}

// opposite is the direction of the request that a response in direction d
// answers.
func opposite(d event.Direction) event.Direction { return negotiate.Opposite(d) }

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
