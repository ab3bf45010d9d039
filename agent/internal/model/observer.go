// SPDX-License-Identifier: Apache-2.0

package model

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Until plays what happens up to t, which is the time then.
func (w *World) Until(t event.Time) {
	for len(w.next) > 0 && w.next[0].at <= t {
		next := heap.Pop(&w.next).(task)
		w.Now = max(w.Now, next.at)
		w.script.Now = w.Now
		next.f()
	}
	w.Now = t
	w.script.Now = t
}

// Ping has the observer put a ping into what this host sends on a connection,
// where seq is the next byte, and returns why that is wrong, if it is. The peer
// answers, and this host's entity does nothing about the answer.
func (w *World) Ping(socket uint64, seq uint32) string {
	l := w.links[socket]
	switch {
	case l == nil:
		return "there is no such connection"
	case l.conn.SeqOut != seq:
		return "the stream is at another byte"
	}
	if wrong := l.doubles(); wrong != "" {
		return wrong
	}
	l.own(w.parties[0], "\r\n\r\n")
	w.after(w.between(time.Millisecond, 200*time.Millisecond), func() {
		if l.open {
			l.raw(w.parties[1], "\r\n")
		}
	})
	return ""
}

// Bind has the observer send a Binding request on the flow.
func (w *World) Bind(id [12]byte) string {
	l := w.flow
	if l == nil {
		return "there is no flow"
	}
	if wrong := l.doubles(); wrong != "" {
		return wrong
	}
	packet := func(kind uint16, attributes []byte) string {
		b := stun(kind, 0, attributes)
		copy(b[8:], id[:])
		return string(b)
	}
	l.own(w.parties[0], packet(0x0001, nil))
	w.after(w.between(time.Millisecond, 200*time.Millisecond), func() {
		l.own(w.parties[1], packet(0x0101, mapped(w.parties[0])))
	})
	return ""
}

// doubles says whether this host's entity has sent a keep-alive in time, or has
// time left for its first.
func (l *link) doubles() string {
	k := &l.beats[l.w.parties[0].index()]
	for a := range k.agreed {
		if period := time.Duration(a.seconds) * time.Second; l.w.Now.Sub(max(a.since, k.last)) < period*98/100 {
			return fmt.Sprintf("the entity's own keep-alives are in time: agreed %ds, %s ago; last %s ago, next in %s", a.seconds, l.w.Now.Sub(a.since), l.w.Now.Sub(k.last), k.due.Sub(l.w.Now))
		}
	}
	return ""
}

// own is raw for bytes that the observer caused.
func (l *link) own(p *party, b string) {
	l.conn.Data(p.dir, b)
	l.w.script.Last().Own = true
	l.w.flush()
}
