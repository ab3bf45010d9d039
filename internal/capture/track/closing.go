// SPDX-License-Identifier: Apache-2.0

package track

import (
	"time"

	"github.com/viaduct-project/viaduct/internal/capture/packet"
	"github.com/viaduct-project/viaduct/internal/event"
)

// side is the end as a view sees it.
func (v *view) side(end int) event.Side {
	switch end {
	case nobody:
		return event.Unknown
	case v.local:
		return event.Local
	}
	return event.Remote
}

// fin takes a FIN, which stands behind its segment's payload.
func (t *Tracker) fin(c *conn, from int, p *packet.Packet) {
	e := &c.ends[from]
	if e.fin || c.gone {
		if e.fin && p.Length == 0 {
			e.resent++
		}
		return
	}
	e.fin, e.finSeq = true, p.Seq+uint32(p.Length)
	e.start(e.finSeq)
	if c.finBy == nobody {
		c.finBy = from
		for i := range c.sockets {
			v := c.inOrder(i, from)
			if v.told && !v.closed {
				t.begin(c, v, event.HalfClosed, p.Time)
				t.event.Direction = v.direction(from)
				t.emit(&t.event)
			}
		}
		return
	}
	for i := range c.sockets {
		if v := &c.views[i]; v.local == c.finBy || c.sideless {
			t.close(c, v, p.Time, v.side(c.finBy), event.FIN)
		}
	}
	t.wait(c, p.Time.Add(finWait))
	t.goneIfClosed(c)
}

// closeRest closes the end whose FIN was the second: its last ACK came, or was
// not captured.
func (t *Tracker) closeRest(c *conn) {
	for i := range c.sockets {
		v := &c.views[i]
		t.close(c, v, c.last, v.side(c.finBy), event.FIN)
	}
	t.goneIfClosed(c)
}

// rst takes a reset.
func (t *Tracker) rst(c *conn, from int, p *packet.Packet) {
	switch {
	case c.gone || !c.credible(from, p):
		return
	case c.connecting() && from != c.opener:
		t.failed(c, p.Time, event.Refused)
		return
	}
	c.last = p.Time
	for i := range c.sockets {
		v := &c.views[i]
		if c.finBy != nobody {
			t.close(c, v, p.Time, v.side(c.finBy), event.FIN)
			continue
		}
		t.close(c, v, p.Time, v.side(from), event.RST)
	}
	c.reset = true
	t.goneIfClosed(c)
}

// credible says whether the other end may take a reset for real (RFC 5961
// section 3): its number must be about what it expects next.
func (c *conn) credible(from int, p *packet.Packet) bool {
	if c.connecting() && from != c.opener {
		// RFC 9293 section 3.10.7.3: it must acknowledge the SYN.
		return p.Flags.Has(packet.ACK) && p.Ack-c.ends[c.opener].first <= 1<<16
	}
	e := &c.ends[from]
	const back, ahead = 1 << 16, 1 << 20
	return !e.started || int32(p.Seq-e.acked) >= -back && int32(p.Seq-e.high) <= ahead
}

// refusal takes an ICMP error. It ends only what is not established yet (RFC
// 1122 section 4.2.3.9 and what Linux makes of it).
func (t *Tracker) refusal(p *packet.Packet) {
	k, from := pairOf(p)
	c := t.tcp.get(k)
	if c == nil || !c.connecting() || from != c.opener || p.Seq+1 != c.ends[from].first {
		return
	}
	how := event.Unreachable
	if p.PortClosed {
		how = event.Refused
	}
	t.failed(c, p.Time, how)
}

// failed ends a connection that never was. Only those to a port that is known
// to carry SIP are told of.
func (t *Tracker) failed(c *conn, at event.Time, how event.How) {
	for i := range c.sockets {
		v := &c.views[i]
		if !c.failable || v.local != c.opener || v.closed {
			continue
		}
		by := event.Unknown
		if how == event.Refused {
			by = event.Remote
		}
		t.begin(c, v, event.Closed, at)
		t.event.Failed, t.event.By, t.event.How = true, by, how
		t.event.Counts = event.Counts{Retransmits: c.ends[v.local].resent}
		t.emit(&t.event)
	}
	t.forget(c, at)
}

// close ends the connection of one socket. One that never was established is
// none: the socket was not accepted.
func (t *Tracker) close(c *conn, v *view, at event.Time, by event.Side, how event.How) {
	if v.closed {
		return
	}
	v.closed = true
	if !v.told {
		return
	}
	t.begin(c, v, event.Closed, at)
	t.event.By, t.event.How = by, how
	t.count(c, v, at)
	t.emit(&t.event)
}

func (t *Tracker) goneIfClosed(c *conn) {
	for i := range c.sockets {
		if !c.views[i].closed {
			return
		}
	}
	t.forget(c, c.last)
}

// forget lets c absorb late packets for a while.
func (t *Tracker) forget(c *conn, at event.Time) {
	c.gone, c.heads = true, nil
	t.wait(c, at.Add(remembered))
}

// replaced ends a connection whose ends have begun another one: its own end
// was not captured, or it never came to be.
func (t *Tracker) replaced(c *conn, now event.Time) {
	c.due = 0
	switch {
	case c.gone:
	case c.connecting():
		t.failed(c, now, event.Timeout)
	case c.closing():
		t.closeRest(c)
	default:
		for i := range c.sockets {
			v := &c.views[i]
			if c.finBy != nobody {
				t.close(c, v, now, v.side(c.finBy), event.FIN)
				continue
			}
			t.close(c, v, now, event.Unknown, event.Expired)
		}
	}
	c.gone, c.due = true, 0
}

// patience is how many times the wait of RFC 6298 may pass until a SYN that is
// not sent again is taken for given up. Some systems begin with 3 s, not 1 s.
const patience = 4

// awaitAnswer says when a connect has failed that nobody answered, and whose
// SYN is not sent again.
func (t *Tracker) awaitAnswer(c *conn, now event.Time) {
	if c.failable && !c.established && c.synAck == 0 {
		rto := time.Second << min(c.syns-1, 6)
		t.wait(c, now.Add(patience*rto))
	}
}

// waitingMax bounds what waits.
const waitingMax = 1 << 18

func (t *Tracker) wait(c *conn, until event.Time) {
	c.due = until
	switch {
	case c.queued:
	case len(t.waiting) < waitingMax:
		c.queued = true
		t.waiting = append(t.waiting, c)
	case c.gone:
		t.drop(c)
	default:
		t.Evicted++ // its end will not be known
	}
}

// drop takes c out of the table.
func (t *Tracker) drop(c *conn) {
	if t.tcp.get(c.pair) == c {
		t.tcp.remove(c.pair)
	}
}

// due ends c's waiting and says whether it is over.
func (t *Tracker) due(c *conn) bool {
	switch {
	case c.gone:
		t.drop(c)
	case c.connecting():
		t.failed(c, c.due, event.Timeout)
		return false // it is remembered
	case c.closing():
		t.closeRest(c)
		return false
	}
	c.due = 0
	return true
}
