// SPDX-License-Identifier: Apache-2.0

package capturetest

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Events writes the packets that events tell of, as the host saw them. A
// handshake takes its Handshake, from OpenedAt on. A Record must be whole.
type Events struct {
	*Writer
	next map[uint64]*[2]uint32 // sequence numbers by direction
	fin  map[uint64]event.Direction
}

// NewEvents returns one that writes to w.
func NewEvents(w *Writer) *Events {
	return &Events{w, make(map[uint64]*[2]uint32), make(map[uint64]event.Direction)}
}

// Write writes the packets of one event.
func (w *Events) Write(e *event.Event) {
	if e.Transport == event.UDP {
		if e.Kind == event.Data {
			src, dst := ends(e, e.Direction)
			w.IP(e.Time, w.Datagram(src, dst, string(e.Payload)))
		}
		return
	}
	if w.next[e.Socket] == nil {
		w.next[e.Socket] = &[2]uint32{e.NextIn, e.NextOut}
	}
	switch e.Kind {
	case event.Opened:
		if !e.MidLife {
			w.opened(e)
		}
	case event.Data, event.Record:
		next := &w.next[e.Socket][e.Direction-event.In]
		w.send(e, e.Direction, Flags{ACK: true}, e.Seq, string(e.Payload))
		if end := e.Seq + uint32(len(e.Payload)); *next == 0 || int32(end-*next) > 0 {
			*next = end
		}
	case event.HalfClosed:
		w.fin[e.Socket] = e.Direction
		w.finish(e, e.Direction)
	case event.Closed:
		w.closed(e)
	}
}

func ends(e *event.Event, d event.Direction) (src, dst netip.AddrPort) {
	if d == event.In {
		return e.Remote, e.Local
	}
	return e.Local, e.Remote
}

func opposite(d event.Direction) event.Direction { return event.In + event.Out - d }

func by(s event.Side) event.Direction {
	if s == event.Local {
		return event.Out
	}
	return event.In
}

// send writes a segment that acknowledges all that came before.
func (w *Events) send(e *event.Event, d event.Direction, f Flags, seq uint32, payload string) {
	src, dst := ends(e, d)
	w.IP(e.Time, w.Segment(src, dst, f, seq, w.next[e.Socket][opposite(d)-event.In], payload))
}

func (w *Events) opened(e *event.Event) {
	d := by(e.Initiator)
	first := w.next[e.Socket]
	syn, answer, ack := *e, *e, *e
	syn.Time = e.OpenedAt
	answer.Time, ack.Time = e.OpenedAt.Add(e.Handshake), e.OpenedAt.Add(e.Handshake)
	if d == event.In {
		answer.Time = e.OpenedAt // here; the last ACK takes the round trip
	}
	src, dst := ends(e, d)
	w.IP(syn.Time, w.Segment(src, dst, Flags{SYN: true}, first[d-event.In]-1, 0, ""))
	w.send(&answer, opposite(d), Flags{SYN: true, ACK: true}, first[opposite(d)-event.In]-1, "")
	w.send(&ack, d, Flags{ACK: true}, first[d-event.In], "")
}

// finish sends a FIN.
func (w *Events) finish(e *event.Event, d event.Direction) {
	next := &w.next[e.Socket][d-event.In]
	w.send(e, d, Flags{FIN: true, ACK: true}, *next, "")
	*next++
}

func (w *Events) closed(e *event.Event) {
	d := by(e.By)
	next := w.next[e.Socket]
	switch e.How {
	case event.FIN:
		if w.fin[e.Socket] == 0 {
			w.finish(e, d)
		} else {
			d = w.fin[e.Socket]
		}
		w.finish(e, opposite(d))
		w.send(e, d, Flags{ACK: true}, next[d-event.In], "")
	case event.RST:
		w.send(e, d, Flags{RST: true, ACK: true}, next[d-event.In], "")
	case event.Refused, event.Unreachable:
		syn := w.Segment(e.Local, e.Remote, Flags{SYN: true}, next[1]-1, 0, "")
		w.IP(e.OpenedAt, syn)
		if e.How == event.Unreachable {
			w.IP(e.Time, w.Unreachable(syn, false))
			return
		}
		w.IP(e.Time, w.Segment(e.Remote, e.Local, Flags{RST: true, ACK: true}, 0, next[1], ""))
	}
}
