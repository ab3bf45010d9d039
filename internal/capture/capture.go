// SPDX-License-Identifier: Apache-2.0

// Package capture is the source of events that reads a capture file: from
// frames to packets, to the events of the connections that carry SIP, as the
// live source tells them.
package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/internal/capture/file"
	"github.com/viaduct-project/viaduct/internal/capture/packet"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Sink takes the events, in the order of time, and is told how time passes.
type Sink interface {
	Handle(*event.Event)
	Tick(event.Time)
}

// Result is what there is to say of a file that was read.
type Result struct {
	First, Last event.Time // of a packet; 0 if there was none
	Frames      uint64
	Dropped     uint64          // frames that the capture does not hold, as the file says
	Evicted     uint64          // connections and sockets that there was no room for
	NoLink      uint64          // frames of link types that cannot be read
	Link        layers.LinkType // one of these
	missed      map[uint64]bool // see track.Tracker
	packet.Stats
	// Cut says why reading ended before the file's end: it is damaged, or ctx
	// was done. What came before is good.
	Cut error
}

const (
	// backwards is how far the time of a frame may go back before it is
	// believed: interfaces that are captured together are not quite in order.
	backwards = time.Minute
	// lookUp is how many frames are read between two looks at the context.
	lookUp = 4096
)

// Read reads a capture to its end, or until ctx is done, and hands its events
// to the sink. It fails if the file is no capture, or one of nothing.
func Read(ctx context.Context, from io.Reader, o track.Options, to Sink) (*Result, error) {
	f, err := file.New(from)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := reading{file: f, sink: to, tracker: track.New(o, to.Handle)}
	for {
		if r.Frames%lookUp == 0 && ctx.Err() != nil {
			r.Cut = ctx.Err()
			break
		}
		if err := f.Next(&r.frame); err == io.EOF {
			break
		} else if err != nil {
			r.Cut = err
			break
		}
		r.Frames++
		r.take()
	}
	return r.finish()
}

// reading is the work under way.
type reading struct {
	Result
	file    *file.Reader
	sink    Sink
	decoder packet.Decoder
	tracker *track.Tracker
	frame   file.Frame
	packet  packet.Packet
	ticked  event.Time
}

func (r *reading) take() {
	if !packet.Supported(r.frame.Link) {
		r.NoLink++
		r.Link = r.frame.Link
		return
	}
	now := r.now()
	if d := now.Sub(r.ticked); d >= time.Second || d < 0 {
		r.tick(now)
	}
	if r.decoder.Decode(&r.frame, now, &r.packet) {
		r.tracker.Packet(&r.packet)
	}
}

// now is the time of the frame. Time stands still where it would go back a
// little.
func (r *reading) now() event.Time {
	now := max(r.frame.Time, 1)
	if now < r.Last && r.Last.Sub(now) < backwards {
		now = r.Last
	}
	if r.First == 0 {
		r.First, r.ticked = now, now
	}
	r.Last = now
	return now
}

func (r *reading) tick(now event.Time) {
	r.ticked = now
	r.decoder.Expire(now)
	r.tracker.Tick(now)
	r.sink.Tick(now)
}

func (r *reading) finish() (*Result, error) {
	switch {
	case r.Frames > 0 && r.Frames == r.NoLink:
		return nil, fmt.Errorf("the capture is of link type %d (%v), which viaduct cannot read", uint16(r.Link), r.Link)
	case r.First == 0 && r.Cut != nil:
		return nil, r.Cut
	case r.First == 0:
		return nil, errors.New("the capture holds no packet")
	}
	r.decoder.Finish()
	r.tracker.Finish(r.Last)
	r.Stats, r.Evicted, r.Dropped = r.decoder.Stats, r.tracker.Evicted, r.file.Dropped
	r.missed = r.tracker.Missed
	return &r.Result, nil
}

// Doubt says what is missing from the capture, for another reading to know from
// the beginning; nil if nothing shows that. unasked is how many datagrams
// answered what was not seen to be asked. A capture that lacks segments may lack
// datagrams, of which nothing else would tell.
func (r *Result) Doubt(unasked uint64) *track.Doubt {
	if len(r.missed) == 0 && r.Dropped == 0 && r.Fragments == 0 && unasked == 0 {
		return nil
	}
	return &track.Doubt{Sockets: r.missed, Datagrams: true}
}
