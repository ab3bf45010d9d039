// SPDX-License-Identifier: Apache-2.0

package track

import (
	"time"

	"github.com/viaduct-project/viaduct/internal/capture/packet"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// remembered is how long a connection that has ended absorbs late packets.
	remembered = 2 * time.Minute
	// lateWait is how long after its end bytes of it are still taken.
	lateWait = 5 * time.Second
	// finWait is how long the last ACK may be missing.
	finWait = time.Minute
)

// segment takes a TCP segment. What a state of TCP (RFC 9293 section 3.3.2)
// means here:
//
//	SYN-SENT      connecting(): the SYN was seen, no answer
//	SYN-RECEIVED  synAck is set; the connecting end is ESTABLISHED by then
//	ESTABLISHED   established: the connecting end has sent more than its SYN
//	FIN-WAIT      finBy is set; for the other end: CLOSE-WAIT
//	closing       both FINs were seen; the end that was first is in TIME-WAIT,
//	              its socket is gone; the other waits for its last ACK
//	CLOSED        gone
func (t *Tracker) segment(p *packet.Packet) {
	k, from := pairOf(p)
	var c *conn
	switch {
	case p.Flags.Has(packet.RST):
		if c = t.tcp.get(k); c != nil {
			t.rst(c, from, p)
		}
		return
	case p.Flags.Has(packet.SYN | packet.ACK):
		c = t.synAck(k, from, p)
	case p.Flags.Has(packet.SYN):
		c = t.syn(k, from, p)
	default:
		c = t.more(k, from, p)
	}
	if c == nil {
		return
	}
	c.last = p.Time
	if p.Length > 0 {
		t.payload(c, from, p)
	}
	if p.Flags.Has(packet.FIN) {
		t.fin(c, from, p)
	}
	if p.Flags.Has(packet.ACK) {
		t.ack(c, from, p.Ack)
	}
}

// syn takes the first packet of a connection.
func (t *Tracker) syn(k pair, from int, p *packet.Packet) *conn {
	first := p.Seq + 1
	c := t.tcp.get(k)
	if c != nil && c.ends[from].known && c.ends[from].first == first {
		if !c.gone && c.opener == from {
			c.ends[from].resent++
			c.syns = min(c.syns+1, 16)
			t.awaitAnswer(c, p.Time)
		}
		p.Seq = first
		return c
	}
	if c == nil || !c.connecting() || c.opener == from { // else both open at the same time
		c = t.newConn(k, from, p.Time)
		c.opener, c.syn, c.syns = from, p.Time, 1
		if t.sip[c.addr(1-from).Port()] {
			c.verdict, c.failable = isSIP, true
		}
		t.awaitAnswer(c, p.Time)
	}
	c.ends[from].known, c.ends[from].first = true, first
	c.ends[from].start(first)
	p.Seq = first // the SYN has a number of its own; data may ride on it
	return c
}

// synAck takes the answer to it.
func (t *Tracker) synAck(k pair, from int, p *packet.Packet) *conn {
	c := t.tcp.get(k)
	first := p.Seq + 1
	known := c != nil && c.opener == 1-from && (!c.ends[from].known || c.ends[from].first == first)
	switch {
	case known && c.gone:
		return nil
	case known && c.ends[1-from].known && p.Ack-c.ends[1-from].first > 1<<16:
		return nil // of another connection
	case !known: // its SYN was not captured
		c = t.newConn(k, 1-from, p.Time)
		c.opener = 1 - from
		if t.sip[c.addr(from).Port()] {
			c.verdict = isSIP
		}
		c.ends[1-from].known, c.ends[1-from].first = true, p.Ack
		c.ends[1-from].start(p.Ack)
	}
	if c.synAck != 0 {
		c.ends[from].resent++
	}
	e := &c.ends[from]
	e.known, e.first, c.synAck, c.due = true, first, p.Time, 0
	e.start(first)
	for i := range c.sockets {
		if v := &c.views[i]; v.local == c.opener && !c.sideless {
			t.connected(c, v, p.Time)
		}
	}
	p.Seq = first
	return c
}

// more takes a segment after the handshake, or the last of it.
func (t *Tracker) more(k pair, from int, p *packet.Packet) *conn {
	c := t.tcp.get(k)
	if c == nil {
		return t.middle(k, from, p)
	}
	if c.gone || c.established || c.midLife {
		return c
	}
	c.established, c.due = true, 0
	if e := &c.ends[1-from]; !e.known && p.Flags.Has(packet.ACK) {
		e.known, e.first = true, p.Ack
		e.start(p.Ack)
	}
	if e := &c.ends[from]; !e.known {
		e.known, e.first = true, p.Seq
		e.start(p.Seq)
	}
	for i := range c.sockets {
		t.connected(c, &c.views[i], p.Time)
	}
	return c
}

// middle takes a segment of a connection that is older than the capture. One
// without payload tells something only where SIP is taken for granted.
func (t *Tracker) middle(k pair, from int, p *packet.Packet) *conn {
	sip := t.sip[k.a.Port()] || t.sip[k.b.Port()]
	if !sip && p.Length == 0 {
		return nil
	}
	c := t.newConn(k, from, p.Time)
	c.midLife = true
	if sip {
		c.verdict = isSIP
		t.tellAll(c, p.Time)
	}
	return c
}

// connected notes that a socket has become ESTABLISHED. The handshake's time
// is what the kernel measures there: to the answer of a SYN that was sent, to
// the ACK of a SYN-ACK that was. In between both, it is all of it.
func (t *Tracker) connected(c *conn, v *view, now event.Time) {
	if v.connected {
		return
	}
	v.connected = true
	began := c.syn
	if v.local != c.opener {
		began = c.synAck
	}
	if began != 0 {
		v.handshake = now.Sub(began)
	}
	if c.verdict == isSIP || c.verdict == isTLS {
		t.tell(c, v, now)
	}
}

// ack takes an acknowledgement by the end from.
func (t *Tracker) ack(c *conn, from int, ack uint32) {
	e := &c.ends[1-from]
	if !e.started {
		e.start(ack)
	}
	t.noteUnseen(c, e, ack, c.last)
	e.confirmed(ack)
	if c.closing() && from == c.finBy && int32(ack-e.finSeq) > 0 {
		t.closeRest(c)
	}
}
