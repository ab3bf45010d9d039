// SPDX-License-Identifier: Apache-2.0

package track

import (
	"github.com/viaduct-project/viaduct/internal/capture/packet"
	"github.com/viaduct-project/viaduct/internal/event"
)

func (v *view) direction(from int) event.Direction {
	if from == v.local {
		return event.Out
	}
	return event.In
}

// transport is what the connection is known to carry so far.
func (t *Tracker) transport(c *conn) event.Transport {
	if c.verdict == isTLS || !c.spoke && (t.tls[c.pair.a.Port()] || t.tls[c.pair.b.Port()]) {
		return event.TLS
	}
	return event.TCP
}

// begin prepares the event that is emitted next: all that is the same for each
// of a socket.
func (t *Tracker) begin(c *conn, v *view, k event.Kind, at event.Time) {
	local, remote := &c.ends[v.local], &c.ends[1-v.local]
	t.event = event.Event{
		Kind: k, Time: at, Socket: v.socket, Transport: t.transport(c),
		Local: c.addr(v.local), Remote: c.addr(1 - v.local),
		Sideless: c.sideless, MidLife: c.midLife, Initiator: v.side(c.opener),
		OpenedAt: c.syn, Handshake: v.handshake,
		IdleIn: -1, IdleOut: -1,
	}
	if c.syn == 0 {
		t.event.OpenedAt = c.synAck
	}
	if !c.midLife {
		t.event.NextIn, t.event.NextOut = remote.first, local.first
	}
}

// tell emits Opened.
func (t *Tracker) tell(c *conn, v *view, at event.Time) {
	v.told = true
	t.begin(c, v, event.Opened, at)
	t.emit(&t.event)
}

// tellAll emits Opened for each socket that is connected.
func (t *Tracker) tellAll(c *conn, at event.Time) {
	for i := range c.sockets {
		if v := &c.views[i]; (v.connected || c.midLife) && !v.closed {
			t.tell(c, v, at)
		}
	}
}

// data emits payload of the end from, once for each socket: first where it
// leaves, then where it arrives.
func (t *Tracker) data(c *conn, from int, at event.Time, seq uint32, length int, b []byte) {
	t.bytes(event.Data, c, from, at, seq, length, b)
}

// told emits part of a TLS stream in the same way.
func (t *Tracker) told(c *conn, from int, p *packet.Packet, seq uint32, length int, b []byte) {
	t.bytes(event.Record, c, from, p.Time, seq, length, b)
}

func (t *Tracker) bytes(k event.Kind, c *conn, from int, at event.Time, seq uint32, length int, b []byte) {
	for i := range c.sockets {
		v := c.inOrder(i, from)
		if !v.told {
			continue
		}
		t.begin(c, v, k, at)
		t.event.Direction = v.direction(from)
		t.event.Seq, t.event.Length, t.event.Payload = seq, length, b
		if !v.doubted {
			v.doubted, t.event.Lost = true, t.doubt.Sockets[v.socket]
		}
		t.emit(&t.event)
	}
}

// count fills in what the kernel would have counted, as far as it is visible.
func (t *Tracker) count(c *conn, v *view, at event.Time) {
	local, remote := &c.ends[v.local], &c.ends[1-v.local]
	t.event.Counts = event.Counts{
		BytesSent: local.sent, BytesReceived: remote.sent, Retransmits: local.resent,
	}
	if remote.lastAt != 0 {
		t.event.IdleIn = max(0, at.Sub(remote.lastAt))
	}
	if local.lastAt != 0 {
		t.event.IdleOut = max(0, at.Sub(local.lastAt))
	}
}

// figures tells what is counted for the sockets that are open.
func (t *Tracker) figures(c *conn, now event.Time) {
	for i := range c.sockets {
		v := &c.views[i]
		if !v.told || v.closed {
			continue
		}
		t.begin(c, v, event.Figures, now)
		t.count(c, v, now)
		t.emit(&t.event)
	}
}

// payload takes what the end from sent.
func (t *Tracker) payload(c *conn, from int, p *packet.Packet) {
	e := &c.ends[from]
	if e.took(p.Seq, p.Length) {
		e.lastAt = p.Time
	}
	if c.gone && (c.reset || p.Time.Sub(c.due.Add(-remembered)) > lateWait) {
		return
	}
	if c.verdict == isSIP && !c.spoke && !t.settle(c, p) {
		if len(p.Payload) == 0 && t.transport(c) == event.TCP {
			t.data(c, from, p.Time, p.Seq, p.Length, nil) // the capture cut all of it, and it counts as lost
		}
		return
	}
	c.spoke = true
	switch c.verdict {
	case undecided:
		t.decide(c, from, p)
	case isSIP:
		t.data(c, from, p.Time, p.Seq, p.Length, p.Payload)
	case isTLS:
		t.records(c, from, p)
	}
}
