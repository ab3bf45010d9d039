// SPDX-License-Identifier: Apache-2.0

package track

import (
	"bytes"

	"github.com/viaduct-project/viaduct/internal/capture/packet"
)

// How long to look for SIP, as the programs in the kernel do.
const (
	triesExhausted = 64                  // a direction whose beginning was not SIP
	triesOneWay    = triesExhausted + 16 // segments, while the other direction is silent
	triesMidLife   = 32                  // segments that may be the middle of a body
)

// headBytes and headSegments bound what is kept of each direction until its
// first bytes are together, which reordering may delay.
const (
	headBytes    = 4096
	headSegments = 16
)

// head is the beginning of one direction, as captured.
type head struct {
	segments []segment
	bytes    int
}

type segment struct {
	seq    uint32
	length int
	data   []byte
}

// decide looks whether this is SIP on a port that nobody named.
func (t *Tracker) decide(c *conn, from int, p *packet.Packet) {
	e := &c.ends[from]
	found := notSIP
	if e.tries < triesExhausted {
		if c.midLife {
			found = sniff(p.Payload)
		} else {
			found = c.beginning(from, p)
		}
	}
	switch found {
	case isSIP:
		t.accept(c, from, p)
		return
	case isTLS: // without a name for it, it takes plaintext to call it SIP
		c.verdict, c.heads = notSIP, nil
		return
	case undecided:
		return
	}
	if e.tries++; !c.midLife || e.tries >= triesMidLife {
		e.tries = max(e.tries, triesExhausted)
	}
	if e.tries >= triesExhausted && (c.ends[1-from].tries >= triesExhausted || e.tries >= triesOneWay) {
		c.verdict, c.heads = notSIP, nil
	}
}

// beginning keeps p until the first bytes of its direction are together, and
// judges them.
func (c *conn) beginning(from int, p *packet.Packet) verdict {
	if c.heads == nil {
		c.heads = new([2]head)
	}
	h := &c.heads[from]
	if len(h.segments) >= headSegments || h.bytes+len(p.Payload) > headBytes && p.Seq != c.ends[from].first {
		c.heads[from] = head{}
		return notSIP
	}
	h.segments = append(h.segments, segment{p.Seq, p.Length, bytes.Clone(p.Payload)})
	h.bytes += len(p.Payload)
	start := h.from(c.ends[from].first)
	found := sniff(start)
	if found == undecided && len(start) >= sniffBytes {
		found = notSIP
	}
	if found == notSIP {
		c.heads[from] = head{}
	}
	return found
}

// from joins the first bytes, as far as they follow each other.
func (h *head) from(first uint32) []byte {
	start := make([]byte, 0, sniffBytes)
	for more := true; more && len(start) < sniffBytes; {
		more = false
		for _, s := range h.segments {
			known := int32(first + uint32(len(start)) - s.seq)
			if known >= 0 && int(known) < len(s.data) {
				start = append(start, s.data[known:]...)
				more = true
			}
		}
	}
	return start
}

// accept tells of a connection that turned out to be SIP, and emits what was
// kept of it.
func (t *Tracker) accept(c *conn, from int, p *packet.Packet) {
	c.verdict = isSIP
	t.tellAll(c, p.Time)
	heads := c.heads
	c.heads = nil
	if heads != nil {
		for end := range heads {
			for _, s := range heads[end].segments {
				t.data(c, end, p.Time, s.seq, s.length, s.data)
			}
		}
		return
	}
	t.data(c, from, p.Time, p.Seq, p.Length, p.Payload)
}
