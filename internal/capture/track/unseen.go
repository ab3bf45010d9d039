// SPDX-License-Identifier: Apache-2.0

package track

import (
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// lateFrame is how long a segment may be missing after its acknowledgement was
// seen: two queues of a network card are not read in the order of their frames.
const lateFrame = 200 * time.Millisecond

// missedMax bounds what is remembered of connections with bytes that were not
// seen.
const missedMax = 1 << 17

// Doubt is what a capture is known to lack. Nothing in it says where packets
// are missing before others show it, which may be too late: what did not happen
// has been judged by then.
type Doubt struct {
	Sockets   map[uint64]bool // connections, by the numbers that the reading before has given them
	Datagrams bool            // any may be missing
}

// unseen are bytes that were acknowledged, and so received, before any frame
// showed them.
type unseen struct {
	from, to uint32
	open     bool
}

// noteUnseen looks whether an acknowledgement of e's bytes, which will be taken
// next, tells of some that were not seen.
func (t *Tracker) noteUnseen(c *conn, e *end, ack uint32, at event.Time) {
	ahead := int32(ack - e.next)
	if !e.started || e.fin || ahead <= 0 || ahead > plausible || !c.followed() {
		return
	}
	if !e.unseen.open {
		e.unseen.from = e.next
	}
	e.unseen.open, e.unseen.to = true, ack
	if c.unseenAt == 0 && len(t.gaps) < waitingMax {
		c.unseenAt = at
		t.gaps = append(t.gaps, c)
	}
}

// fills takes what was seen after all.
func (u *unseen) fills(seq uint32, length int) {
	if end := seq + uint32(length); int32(seq-u.from) <= 0 && int32(end-u.from) > 0 {
		u.from = end
		u.open = u.open && int32(u.to-end) > 0
	}
}

// missed tells the core of bytes that no frame has shown in time, as of when
// they were acknowledged, so that what was due since is not judged without it.
func (t *Tracker) missed(now event.Time) {
	keep := t.gaps[:0]
	for _, c := range t.gaps {
		if now.Sub(c.unseenAt) < lateFrame {
			keep = append(keep, c)
			continue
		}
		at := c.unseenAt
		c.unseenAt = 0
		for from := range c.ends {
			e := &c.ends[from]
			if !e.unseen.open {
				continue
			}
			e.unseen.open = false
			kind := event.Data
			if c.verdict == isTLS {
				kind = event.Record
			}
			for i := range c.sockets {
				v := c.inOrder(i, from)
				if len(t.Missed) < missedMax {
					t.Missed[v.socket] = true
				}
				if c.spoke && v.told && !v.closed {
					t.begin(c, v, kind, at)
					t.event.Direction, t.event.Seq, t.event.Lost = v.direction(from), e.unseen.to, true
					t.emit(&t.event)
				}
			}
		}
	}
	clear(t.gaps[len(keep):])
	t.gaps = keep
}
