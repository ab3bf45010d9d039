// SPDX-License-Identifier: Apache-2.0

package stream

import "github.com/viaduct-project/viaduct/internal/event"

// Chunk is the next piece of the stream: Data, or a Gap of so many bytes that
// nobody saw.
type Chunk struct {
	Data []byte
	Gap  int64
	Own  bool // Data is viaduct's own
}

// Cursor hands on what is in order. It must be used up before the stream is
// touched again.
type Cursor struct {
	r      *Reassembler
	budget *Budget
	now    event.Time
	data   []byte // in order, not yet handed on
	cut    int    // bytes after data that the source cut off
	own    bool   // data is viaduct's
}

// Next stores the next piece in c and says whether there was one. Data is
// valid until the following call.
func (c *Cursor) Next(out *Chunk) bool {
	for {
		if len(c.data) > 0 {
			out.Data, out.Gap, out.Own = c.data, 0, c.own
			c.r.next += uint32(len(c.data))
			c.r.Delivered += uint64(len(c.data))
			c.data = nil
			if c.r.held != nil {
				c.r.held.since = c.now // the stream moves: a hole ahead may still be filled
			}
			return true
		}
		if c.cut > 0 {
			c.gap(out, c.cut)
			c.cut = 0
			return true
		}
		h := c.r.held
		if h == nil {
			c.r.forced = false
			return false
		}
		if len(h.segments) == 0 {
			c.r.held = nil
			continue
		}
		s := &h.segments[0]
		ahead := int32(s.seq - c.r.next)
		if ahead > 0 {
			if c.r.forced && int32(c.r.forceTo-c.r.next) > 0 {
				c.gap(out, int(ahead))
				return true
			}
			c.r.forced = false
			return false
		}
		if known := int(-int64(ahead)); known < s.length {
			c.data, c.own = s.data[min(known, len(s.data)):], s.own
			c.cut = s.length - known - len(c.data)
		}
		h.remove(0, c.budget)
		h.since = c.now // what follows is another hole
	}
}

func (c *Cursor) gap(out *Chunk, n int) {
	out.Data, out.Gap, out.Own = nil, int64(n), false
	c.r.next += uint32(n)
	c.r.Gaps++
	c.r.GapBytes += uint64(n)
}

// Waiting returns since when the stream has waited at its present hole.
func (r *Reassembler) Waiting() (since event.Time, ok bool) {
	if r.held == nil || len(r.held.segments) == 0 {
		return 0, false
	}
	return r.held.since, true
}

// Expire gives up the hole that the stream waits at.
func (r *Reassembler) Expire(now event.Time, b *Budget) Cursor {
	if r.held != nil && len(r.held.segments) > 0 {
		r.giveUp(r.held.segments[0].seq)
	}
	return Cursor{r: r, budget: b, now: now}
}

// Finish gives up every hole: the connection is gone.
func (r *Reassembler) Finish(now event.Time, b *Budget) Cursor {
	if h := r.held; h != nil && len(h.segments) > 0 {
		r.giveUp(h.segments[len(h.segments)-1].seq)
	}
	return Cursor{r: r, budget: b, now: now}
}

// Drop lets go of what is held without handing it on.
func (r *Reassembler) Drop(b *Budget) {
	if r.held != nil {
		b.Used -= r.held.bytes
		r.held = nil
	}
}
