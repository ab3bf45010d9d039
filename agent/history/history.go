// SPDX-License-Identifier: Apache-2.0

// Package history keeps, for a few of the newest things that went over a
// connection, what they were and when: enough to draw its life. It is no trace:
// nothing of a message is kept but its method or status, and the middle of a
// long life is left out.
package history

import (
	"time"
	"unsafe"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Kind is what went over the connection.
type Kind uint8

const (
	Request Kind = iota
	Response
	Ping      // double CRLF, or filler on UDP
	Pong      // single CRLF that answers one
	Stray     // single CRLF that answers nothing
	STUN      // Binding request
	Bound     // Binding response
	Malformed // what could not be read
	Injected  // a keep-alive that viaduct sent
	kinds
)

var kindNames = [kinds]string{"request", "response", "ping", "pong", "stray-crlf", "stun-request", "stun-response", "malformed", "injected"}

func (k Kind) String() string { return kindNames[k] }

// Mark is one thing that went over a connection: in 8 bytes the milliseconds
// since the connection was met (43 bits), the kind (4), the status (10), the
// method (5), and whether it went out and was a copy (1 each).
type Mark uint64

const (
	copyBit   = 1 << 0
	outBit    = 1 << 1
	methodAt  = 2
	statusAt  = 7
	kindAt    = 17
	timeAt    = 21
	longest   = 1<<(64-timeAt) - 1
	statusMax = 1<<(kindAt-statusAt) - 1
)

// What is a mark in parts. Method and Status are those of messages; a response
// has both, if its CSeq is known.
type What struct {
	After  time.Duration // since the connection was met
	Kind   Kind
	Dir    event.Direction
	Again  bool // a copy of what went before
	Method sipparse.Method
	Status int
}

// Mark packs w.
func (w What) Mark() Mark {
	m := uint64(min(max(w.After.Milliseconds(), 0), longest))<<timeAt | uint64(w.Kind)<<kindAt |
		uint64(min(max(w.Status, 0), statusMax))<<statusAt | uint64(w.Method&(1<<(statusAt-methodAt)-1))<<methodAt
	if w.Dir == event.Out {
		m |= outBit
	}
	if w.Again {
		m |= copyBit
	}
	return Mark(m)
}

// What takes m apart.
func (m Mark) What() What {
	w := What{
		After:  time.Duration(m>>timeAt) * time.Millisecond,
		Kind:   Kind(m >> kindAt & (1<<(timeAt-kindAt) - 1)),
		Dir:    event.In,
		Again:  m&copyBit != 0,
		Method: sipparse.Method(m >> methodAt & (1<<(statusAt-methodAt) - 1)),
		Status: int(m >> statusAt & statusMax),
	}
	if m&outBit != 0 {
		w.Dir = event.Out
	}
	return w
}

// First is how many marks of the beginning stay, where connections are
// negotiated, when later ones have to make room.
const First = 4

const (
	most = 64 // marks in all; the room for them grows fourfold from First
	size = int(unsafe.Sizeof(Mark(0)))
	head = int(unsafe.Sizeof(Marks{}))
)

// Marks are those of one connection.
type Marks struct {
	all  []Mark
	left uint32 // were left out behind the first ones
	at   uint8  // where behind these the oldest is, once all is full
}

// Len is how many there are, and Left how many were left out behind [First].
func (m *Marks) Len() int  { return len(m.all) }
func (m *Marks) Left() int { return int(m.left) }

// Each calls yield with the marks in the order in which they were added.
func (m *Marks) Each(yield func(What)) {
	for i := range m.all {
		if i >= First {
			i = First + (i-First+int(m.at))%(len(m.all)-First)
		}
		yield(m.all[i].What())
	}
}

// Budget bounds what the marks of all connections take, in bytes. Without a
// limit nobody wants any.
type Budget struct {
	Limit, Used int
}

// Add puts a mark at the end of *to, which is made when it is first needed. It
// returns false if there was no room for it; Drop makes some.
func (b *Budget) Add(to **Marks, w What) bool {
	if b.Limit == 0 {
		return true
	}
	m := *to
	switch {
	case m == nil:
		if !b.take(head + First*size) {
			return false
		}
		m = &Marks{all: make([]Mark, 0, First)}
		*to = m
	case len(m.all) < cap(m.all):
	case cap(m.all) < most && b.take(3*cap(m.all)*size):
		m.grow()
	case cap(m.all) == First:
		m.left++
		return false
	default:
		m.all[First+int(m.at)] = w.Mark()
		m.at = uint8((int(m.at) + 1) % (len(m.all) - First))
		m.left++
		return true
	}
	m.all = append(m.all, w.Mark())
	return true
}

// grow makes room for more, and puts what is there in order.
func (m *Marks) grow() {
	grown := make([]Mark, 0, 4*cap(m.all))
	oldest := First + int(m.at)
	grown = append(grown, m.all[:First]...)
	grown = append(grown, m.all[oldest:]...)
	m.all, m.at = append(grown, m.all[First:oldest]...), 0
}

func (b *Budget) take(n int) bool {
	if b.Used+n > b.Limit {

		return false
	}
	b.Used += n
	return true
}

// Drop gives back what *of takes.
func (b *Budget) Drop(of **Marks) {
	if m := *of; m != nil {
		b.Used -= head + cap(m.all)*size
		*of = nil
	}
}
