// SPDX-License-Identifier: Apache-2.0

// Package stream puts the segments of one direction of a TCP connection in
// order: retransmissions and overlaps are trimmed, what comes early is held,
// and what never came is a gap of a known number of bytes.
//
// A segment that is in order is handed on without a copy.
package stream

import "github.com/viaduct-project/viaduct/internal/event"

const (
	// maxAhead is how far a segment may lie ahead of the stream. Packets are
	// seen before TCP has checked them, so a forged one may carry any sequence
	// number; receive buffers beyond this are not used for SIP.
	maxAhead = 16 << 20
	// MaxHeldSegments and MaxHeldBytes bound what one stream holds.
	MaxHeldSegments = 64
	MaxHeldBytes    = 256 << 10
)

// Budget is what all streams together may hold, in bytes.
type Budget struct {
	Limit int
	Used  int
}

// Stats counts one stream. Delivered and GapBytes together are the stream's
// length so far.
type Stats struct {
	Delivered uint64
	GapBytes  uint64
	Gaps      uint32
	Stray     uint32 // segments too far ahead to be believed
}

// Reassembler is one direction of one connection. The zero value starts at the
// first segment that it is given; Start gives it the true beginning.
type Reassembler struct {
	Stats
	next    uint32 // sequence number of the next byte
	strayAt uint32 // where the stream goes on if the last stray segment was real
	forceTo uint32 // holes before it are given up, while forced
	begun   bool
	forced  bool
	lossy   bool // the source lost bytes of this socket: the next hole is one
	stray   bool
	held    *held
}

// held is allocated while something is out of order.
type held struct {
	segments []segment // by sequence number, none covered by another
	bytes    int
	since    event.Time // when the hole at next was first seen
}

type segment struct {
	seq    uint32
	length int // bytes on the wire
	data   []byte
	own    bool
}

// Segment is what the wire brought. Length is more than len(Data) when the
// source cut it.
type Segment struct {
	Seq    uint32
	Length int
	Data   []byte
	Lost   bool // the source lost bytes just before
	Own    bool // viaduct put it into the stream; whole chunks of it are handed on as such
}

// Start says that the next byte is seq. On a stream that began later because
// its first segments came before the beginning was known, the difference is a
// gap, which Start returns.
func (r *Reassembler) Start(seq uint32) (gap int64) {
	if !r.begun {
		r.begun, r.next = true, seq
		return 0
	}
	first := r.next - uint32(r.Extent())
	if d := int32(first - seq); d > 0 && d < maxAhead {
		r.Gaps++
		r.GapBytes += uint64(d)
		return int64(d)
	}
	return 0
}

// Extent is the length of the stream so far, gaps included.
func (r *Reassembler) Extent() uint64 { return r.Delivered + r.GapBytes }

// Next returns the sequence number of the next byte to come; ok is false before
// the first one was seen or told.
func (r *Reassembler) Next() (seq uint32, ok bool) { return r.next, r.begun }

// Held is the number of bytes that wait for a hole to be filled.
func (r *Reassembler) Held() int {
	if r.held == nil {
		return 0
	}
	return r.held.bytes
}

// MarkLossy makes the next hole a gap at once: the source lost bytes of the
// socket, and it is not known of which direction.
func (r *Reassembler) MarkLossy() { r.lossy = true }

// Push takes one segment in and returns the cursor over what can be handed on
// because of it. s.Data must stay valid until the cursor is used up, which has
// to happen before the next call.
func (r *Reassembler) Push(now event.Time, s Segment, b *Budget) Cursor {
	c := Cursor{r: r, budget: b, now: now}
	if s.Length < len(s.Data) {
		s.Length = len(s.Data)
	}
	if s.Length == 0 {
		return c
	}
	if !r.begun {
		r.begun, r.next = true, s.Seq
	}
	if s.Lost {
		r.lossy = true
	}
	ahead := int32(s.Seq - r.next)
	switch {
	case ahead > 0:
		if ahead > maxAhead && !r.lossy && !r.believe(&s) {
			return c
		}
		r.hold(now, s, b)
	case int(-int64(ahead)) < s.Length: // in order, perhaps partly known
		known := int(-int64(ahead))
		c.data, c.own = s.Data[min(known, len(s.Data)):], s.Own
		c.cut = s.Length - known - len(c.data)
		r.lossy = false
	}
	return c
}

// believe decides about a segment far ahead: two that follow each other are
// taken as the stream's new place, one alone as forged.
func (r *Reassembler) believe(s *Segment) bool {
	follows := r.stray && r.strayAt == s.Seq
	r.stray, r.strayAt = !follows, s.Seq+uint32(s.Length)
	if !follows {
		r.Stray++
		return false
	}
	r.lossy = true
	return true
}

// hold keeps a copy of s until the hole before it is filled, or gives the hole
// up at once if it is known to stay or if there is no room to wait.
func (r *Reassembler) hold(now event.Time, s Segment, b *Budget) {
	if r.held == nil {
		r.held = &held{since: now}
	}
	r.held.insert(s, r.next, b)
	h := r.held
	switch {
	case r.lossy:
		r.lossy = false
		r.giveUp(s.Seq)
	case b.Used > b.Limit:
		r.giveUp(h.segments[len(h.segments)-1].seq)
	case len(h.segments) > MaxHeldSegments || h.bytes > MaxHeldBytes:
		r.giveUp(h.segments[0].seq)
	}
}

func (r *Reassembler) giveUp(to uint32) { r.forced, r.forceTo = true, to }

// insert keeps the order by distance from next, and drops whichever of two
// segments the other covers.
func (h *held) insert(s Segment, next uint32, b *Budget) {
	from, to := s.Seq-next, s.Seq-next+uint32(s.Length)
	at := 0
	for i := 0; i < len(h.segments); {
		o := &h.segments[i]
		oFrom := o.seq - next
		oTo := oFrom + uint32(o.length)
		if oFrom <= from && to <= oTo && len(o.data) == o.length {
			return
		}
		if from <= oFrom && oTo <= to && len(s.Data) == s.Length {
			h.remove(i, b)
			continue
		}
		if oFrom <= from {
			at = i + 1
		}
		i++
	}
	data := append([]byte(nil), s.Data...)
	h.segments = append(h.segments, segment{})
	copy(h.segments[at+1:], h.segments[at:])
	h.segments[at] = segment{seq: s.Seq, length: s.Length, data: data, own: s.Own}
	h.bytes += len(data)
	b.Used += len(data)
}

func (h *held) remove(i int, b *Budget) {
	h.bytes -= len(h.segments[i].data)
	b.Used -= len(h.segments[i].data)
	copy(h.segments[i:], h.segments[i+1:])
	last := len(h.segments) - 1
	h.segments[last] = segment{}
	h.segments = h.segments[:last]
}
