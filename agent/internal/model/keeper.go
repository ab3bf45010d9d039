// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// keeper sends the keep-alives of one side of a connection, for all that was
// agreed about it together.
type keeper struct {
	agreed map[*agreement]bool
	due    event.Time
	timer  int // the newest one is in force
	beats  int // sent so far
	late   bool
	last   event.Time
}

// agreement is a promise of keep-alives every so many seconds.
type agreement struct {
	seconds int
	since   event.Time
}

// overdue says whether one agreement alone wanted a keep-alive before now.
func (k *keeper) overdue(now event.Time) bool {
	for a := range k.agreed {
		if a.since <= k.last && now.Sub(k.last) > time.Duration(a.seconds)*time.Second+2*time.Second {
			return true
		}
	}
	return false
}

// keep begins to send keep-alives of p's on l.
func (l *link) keep(p *party, a *agreement) {
	k := &l.beats[p.index()]
	if k.agreed == nil {
		k.agreed = make(map[*agreement]bool)
	}
	k.agreed[a] = true
	a.since = l.w.Now
	first := l.w.Now.Add(l.pace(k))
	if k.due <= l.w.Now || first < k.due {
		l.plan(p, first)
	}
}

// release ends one agreement. Keep-alives end with the last one.
func (l *link) release(p *party, a *agreement) { delete(l.beats[p.index()].agreed, a) }

// pace is a time at random from the last fifth of the shortest period agreed
// (RFC 5626 section 4.4).
func (l *link) pace(k *keeper) time.Duration {
	shortest := 0
	for a := range k.agreed {
		if shortest == 0 || a.seconds < shortest {
			shortest = a.seconds
		}
	}
	period := time.Duration(shortest) * time.Second
	return l.w.between(period*4/5, period-period/50)
}

func (l *link) plan(p *party, at event.Time) {
	k := &l.beats[p.index()]
	k.timer++
	timer := k.timer
	k.due = at
	l.w.after(at.Sub(l.w.Now), func() {
		if k.timer != timer || !l.open {
			return
		}
		if len(k.agreed) == 0 {
			k.due = 0
			return
		}
		if k.late {
			if k.overdue(l.w.Now) {
				l.w.commits("KEEP-09")
			}
		} else if k.beats >= 2 && (l.w.stream() || p.seen()) && l.w.cfg.Fault == "KEEP-09" {
			k.late = true // by half
			l.plan(p, l.w.Now.Add(l.pace(k)/2))
			return
		}
		k.beats++
		k.last = l.w.Now
		l.beat(p)
		l.plan(p, l.w.Now.Add(l.pace(k)))
	})
}

// beat sends one keep-alive of p's and has it answered.
func (l *link) beat(p *party) {
	answer := l.w.between(time.Millisecond, 200*time.Millisecond)
	if l.w.stream() {
		l.raw(p, "\r\n\r\n")
		pong := "\r\n"
		switch {
		case l.w.habit("KA-04"):
			pong = "\r\n\r\n"
		case l.w.commits("KEEP-31"):
			return
		}
		l.w.after(answer, func() {
			if l.open {
				l.raw(p.peer, pong)
			}
		})
		return
	}
	if l.w.commits("KA-05") {
		l.raw(p, "\r\n\r\n")
	}
	id := l.w.number()
	at := l.w.copies(time.Hour)
	for i, d := range at {
		last := i == len(at)-1
		l.w.after(d, func() {
			if last || p.seen() {
				l.raw(p, string(stun(0x0001, id, nil)))
			}
			if last {
				l.w.after(answer, func() { l.raw(p.peer, string(l.answered(p, id))) })
			}
		})
	}
}

// answered is the response to the Binding request id of p.
func (l *link) answered(p *party, id int) []byte {
	switch {
	case l.w.commits("STUN-04"):
		return stun(0x0101, id, nil)
	case l.w.commits("STUN-16"):
		return stun(0x0111, id, nil)
	}
	return stun(0x0101, id, mapped(p))
}

// raw sends what is no message.
func (l *link) raw(p *party, b string) {
	l.conn.Data(p.dir, b)
	l.w.flush()
}

const cookie = 0x2112A442 // RFC 8489 section 5

func stun(kind uint16, id int, attributes []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attributes)))
	b = binary.BigEndian.AppendUint32(b, cookie)
	b = binary.BigEndian.AppendUint32(b, 7)
	b = binary.BigEndian.AppendUint64(b, uint64(id))
	return append(b, attributes...)
}

// mapped is the XOR-MAPPED-ADDRESS of p.
func mapped(p *party) []byte {
	addr := p.addr.Addr().As4()
	b := []byte{0x00, 0x20, 0, 8, 0, 1}
	b = binary.BigEndian.AppendUint16(b, p.addr.Port()^(cookie>>16))
	return binary.BigEndian.AppendUint32(b, binary.BigEndian.Uint32(addr[:])^cookie)
}
