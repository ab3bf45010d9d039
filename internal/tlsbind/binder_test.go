// SPDX-License-Identifier: Apache-2.0

package tlsbind

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

const start = event.Time(1_000_000_000_000)

// bench plays events to a binder, and writes down what comes out.
type bench struct {
	*Binder
	now event.Time
	out []string
}

func newBench() *bench {
	b := &bench{now: start}
	b.Binder = New(func(e *event.Event) {
		if e.Kind == event.ClosureAlert {
			b.out = append(b.out, fmt.Sprintf("%d alert", e.Socket))
			return
		}
		lost := ""
		if e.Lost {
			lost = " lost"
		}
		b.out = append(b.out, fmt.Sprintf("%d %s %d %s%s", e.Socket, [...]string{event.In: "in", event.Out: "out"}[e.Direction], e.Seq, e.Payload, lost))
	})
	return b
}

func fragment(n int) (f Fragment) {
	copy(f[:], fmt.Sprintf("record %d", n))
	return f
}

func (b *bench) opened(socket uint64) {
	b.Opened(&event.Event{Kind: event.Opened, Transport: event.TLS, Socket: socket, OpenedAt: b.now, NextIn: 100, NextOut: 200})
}

// wire has record n go by on a socket.
func (b *bench) wire(socket uint64, d event.Direction, n int) {
	f := fragment(n)
	b.Record(&event.Event{
		Kind: event.Record, Transport: event.TLS, Socket: socket, Direction: d, Time: b.now, Remote: netip.MustParseAddrPort("192.0.2.1:5061"),
		Length: 100, Payload: append([]byte{applicationData, 3, 3, 0, 95}, f[:]...),
	})
}

// call has a process move text; n is the record, 0 if it was not seen.
func (b *bench) call(pid uint32, session uint64, d event.Direction, n int, text string) {
	b.Call(&Call{
		Time: b.now, Session: Session{pid, session}, Direction: d, Length: len(text), Payload: []byte(text),
		HasFragment: n != 0, Fragment: fragment(n),
	})
}

func (b *bench) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.Tick(b.now)
}

func TestBinding(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(*bench)
		out  string // one line for each event
		want Counters
	}{
		{"the record is sent within the call", func(b *bench) {
			b.wire(1, event.Out, 7)
			b.call(10, 0xa, event.Out, 7, "hello")
		}, "1 out 200 hello", Counters{Bound: 1}},
		{"the record is sent after the call", func(b *bench) {
			b.call(10, 0xa, event.Out, 7, "hello")
			b.wire(1, event.Out, 7)
		}, "1 out 200 hello", Counters{Bound: 1}},
		{"it is read after it came", func(b *bench) {
			b.wire(1, event.In, 7)
			b.call(10, 0xa, event.In, 7, "hello")
			b.call(10, 0xa, event.In, 0, "rest")
		}, "1 in 100 hello\n1 in 105 rest", Counters{Bound: 1}},
		{"a binding of what was written is good for what is read", func(b *bench) {
			b.wire(1, event.Out, 7)
			b.call(10, 0xa, event.Out, 7, "ask")
			b.call(10, 0xa, event.In, 0, "answer")
		}, "1 out 200 ask\n1 in 100 answer", Counters{Bound: 1}},
		{"the call that moved the record's beginning wanted to be repeated", func(b *bench) {
			b.wire(1, event.In, 7)
			b.call(10, 0xa, event.In, 7, "")
			b.call(10, 0xa, event.In, 0, "hello")
		}, "1 in 100 hello", Counters{Bound: 1}},
		{"both ends on this host", func(b *bench) {
			b.wire(1, event.Out, 7)
			b.wire(2, event.In, 7)
			b.call(10, 0xa, event.Out, 7, "hello")
			b.call(20, 0xa, event.In, 7, "hello")
		}, "1 out 200 hello\n2 in 100 hello", Counters{Bound: 2}},
		{"a session that two processes share", func(b *bench) {
			b.wire(1, event.In, 1)
			b.call(10, 0xa, event.In, 1, "one")
			b.wire(1, event.In, 2)
			b.call(11, 0xa, event.In, 2, "two")
			b.wire(1, event.In, 3)
			b.call(10, 0xa, event.In, 3, "three")
		}, "1 in 100 one\n1 in 103 two\n1 in 106 three", Counters{Bound: 2, Confirmed: 1}},
		{"the same address in processes that share nothing", func(b *bench) {
			b.wire(1, event.In, 1)
			b.wire(2, event.In, 2)
			b.call(11, 0xa, event.In, 2, "two")
			b.call(10, 0xa, event.In, 1, "one")
			b.call(11, 0xa, event.In, 0, "more")
		}, "2 in 100 two\n1 in 100 one\n2 in 103 more", Counters{Bound: 2}},
		{"a freed session's address is used again", func(b *bench) {
			b.wire(1, event.Out, 1)
			b.call(10, 0xa, event.Out, 1, "one")
			b.Gone(Session{10, 0xa}, true)
			b.call(10, 0xa, event.Out, 2, "two")
			b.wire(2, event.Out, 2)
		}, "1 out 200 one\n2 out 200 two", Counters{Bound: 2}},
		{"another process's session at the same address was freed", func(b *bench) {
			b.wire(1, event.In, 1)
			b.call(10, 0xa, event.In, 1, "one")
			b.Gone(Session{11, 0xa}, false)
			b.call(10, 0xa, event.In, 0, "more")
			b.Gone(Session{11, 0xa}, true)
			b.call(10, 0xa, event.In, 0, "perhaps another's")
			b.pass(holdFor)
		}, "1 in 100 one\n1 in 103 more", Counters{Bound: 1, UnboundCalls: 1, UnboundBytes: 17}},
		{"what was written before the session was freed is sent later", func(b *bench) {
			b.call(10, 0xa, event.Out, 1, "bye")
			b.Gone(Session{10, 0xa}, true)
			b.wire(1, event.Out, 1)
		}, "1 out 200 bye", Counters{Bound: 1}},
		{"its end was missed: the next record contradicts the binding", func(b *bench) {
			b.wire(1, event.Out, 1)
			b.call(10, 0xa, event.Out, 1, "one")
			b.wire(2, event.Out, 2)
			b.call(10, 0xa, event.Out, 2, "two")
		}, "1 out 200 one\n2 out 200 two", Counters{Bound: 2, Conflicting: 1}},
		{"nothing goes by", func(b *bench) {
			b.call(10, 0xa, event.Out, 1, "lost")
			b.pass(holdFor)
		}, "", Counters{UnboundCalls: 1, UnboundBytes: 4}},
		{"without a record, and without a binding", func(b *bench) {
			b.wire(1, event.In, 1)
			b.call(10, 0xa, event.In, 0, "rest")
			b.pass(holdFor)
		}, "", Counters{UnboundCalls: 1, UnboundBytes: 4}},
		{"a record that went by on two sockets tells nothing", func(b *bench) {
			b.wire(1, event.In, 1)
			b.wire(2, event.In, 1)
			b.call(10, 0xa, event.In, 1, "one")
			b.pass(holdFor)
		}, "", Counters{UnboundCalls: 1, UnboundBytes: 3}},
		{"what was dropped before the binding is a gap", func(b *bench) {
			b.call(10, 0xa, event.In, 1, "lost")
			b.pass(holdFor)
			b.wire(1, event.In, 2)
			b.call(10, 0xa, event.In, 2, "two")
		}, "1 in 104 two lost", Counters{Bound: 1, UnboundCalls: 1, UnboundBytes: 4, LostBytes: 4}},
		{"what the source lost is a gap", func(b *bench) {
			b.wire(1, event.In, 1)
			b.call(10, 0xa, event.In, 1, "one")
			b.Call(&Call{Time: b.now, Session: Session{10, 0xa}, Direction: event.In, Lost: 50, Length: 3, Payload: []byte("two")})
		}, "1 in 100 one\n1 in 153 two lost", Counters{Bound: 1, LostBytes: 50}},
		{"a closure alert, sent by a process that did nothing else", func(b *bench) {
			b.wire(1, event.Out, 1)
			b.call(10, 0xa, event.Out, 1, "one")
			b.Call(&Call{Time: b.now, Session: Session{11, 0xa}, Direction: event.Out, Closes: true, HasFragment: true, Fragment: fragment(2)})
			b.wire(1, event.Out, 2)
		}, "1 out 200 one\n1 alert", Counters{Bound: 2}},
		{"a closure alert of nobody's", func(b *bench) {
			b.Call(&Call{Time: b.now, Session: Session{11, 0xa}, Direction: event.Out, Closes: true, HasFragment: true, Fragment: fragment(2)})
			b.pass(holdFor)
		}, "", Counters{}},
		{"what cannot be read is missing at once", func(b *bench) {
			b.wire(1, event.In, 1)
			b.Call(&Call{Time: b.now, Session: Session{10, 0xa}, Direction: event.In, Lost: 50, HasFragment: true, Fragment: fragment(1)})
			b.call(10, 0xa, event.Out, 0, "one")
			b.call(10, 0xa, event.In, 0, "two")
		}, "1 in 100  lost\n1 out 200 one\n1 in 150 two lost", Counters{Bound: 1, LostBytes: 50}},
		{"the process was followed too late", func(b *bench) {
			b.Unfollowed(10)
			b.pass(time.Second)
			b.Followed(10, b.now)
			b.wire(1, event.In, 1)
			b.call(10, 0xa, event.In, 1, "one")
			b.call(10, 0xa, event.In, 0, "two")
		}, "1 in 101 one lost\n1 in 104 two", Counters{Bound: 1, LostBytes: 1}},
		{"older than the observation", func(b *bench) {
			b.Opened(&event.Event{Kind: event.Opened, Transport: event.TLS, Socket: 9, MidLife: true})
			b.wire(9, event.In, 1)
			b.call(10, 0xa, event.In, 1, "one")
		}, "9 in 0 one", Counters{Bound: 1}},
		{"another process's newer bytes were handed on already", func(b *bench) {
			b.wire(1, event.Out, 1)
			b.call(11, 0xa, event.Out, 1, "first")
			b.call(10, 0xa, event.Out, 2, "second")
			b.call(11, 0xa, event.Out, 3, "third")
			b.wire(1, event.Out, 2)
			b.wire(1, event.Out, 3)
			b.call(11, 0xa, event.Out, 0, "fourth")
		}, "1 out 200 first\n1 out 205 third\n1 out 211 fourth lost", Counters{Bound: 2, Confirmed: 1, Late: 1, LostBytes: 1}},
		{"read a little after the end", func(b *bench) {
			b.wire(1, event.In, 1)
			b.Closed(1, b.now)
			b.pass(linger / 2)
			b.call(10, 0xa, event.In, 1, "last")
			b.pass(linger)
			b.call(10, 0xa, event.In, 0, "stray")
			b.pass(holdFor)
		}, "1 in 100 last", Counters{Bound: 1, UnboundCalls: 1, UnboundBytes: 5}},
		{"nothing confirms a binding any more", func(b *bench) {
			b.wire(1, event.Out, 1)
			b.call(10, 0xa, event.Out, 1, "one")
			for n := range doubtAfter {
				b.call(10, 0xa, event.Out, 1000+n, "")
			}
			b.call(10, 0xa, event.Out, 0, "two")
			b.pass(holdFor)
		}, "1 out 200 one", Counters{Bound: 1, Doubted: 1, UnboundCalls: 1, UnboundBytes: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench()
			for pid := range uint32(32) {
				b.Followed(pid, b.now)
			}
			b.opened(1)
			b.opened(2)
			tt.play(b)
			if got := strings.Join(b.out, "\n"); got != tt.out {
				t.Errorf("got\n%s\nwant\n%s", got, tt.out)
			}
			if got := b.Counters(); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if g := b.Gauges(); g.Held != 0 {
				t.Errorf("%d bytes are still held", g.Held)
			}
		})
	}
}

// Only whole beginnings of records of encrypted data are evidence.
func TestNoEvidence(t *testing.T) {
	f := fragment(1)
	for name, payload := range map[string][]byte{
		"another type": append([]byte{22, 3, 3, 0, 95}, f[:]...),
		"cut":          append([]byte{applicationData, 3, 3, 0, 95}, f[:15]...),
		"none":         nil,
	} {
		b := newBench()
		b.Record(&event.Event{Kind: event.Record, Transport: event.TLS, Socket: 1, Direction: event.In, Payload: payload})
		b.call(10, 0xa, event.In, 1, "one")
		b.pass(holdFor)
		if len(b.out) != 0 || b.Gauges().Bound != 0 {
			t.Errorf("%s: %q", name, b.out)
		}
	}
}

// What is remembered is bounded, and the newest stays.
func TestRecent(t *testing.T) {
	r := newRecent[int](4)
	p := func(n int) place { return place{event.In, fragment(n)} }
	for n := range 10 {
		r.put(p(n), n)
		r.put(p(n), n)
	}
	var have []int
	for n := range 10 {
		if v, ok := r.get(p(n)); ok {
			have = append(have, v)
		}
	}
	if !slices.Equal(have, []int{6, 7, 8, 9}) || len(r.at) != 4 || len(r.order) != 4 {
		t.Errorf("%v, %d, %d", have, len(r.at), len(r.order))
	}
	if _, ok := r.take(p(9)); !ok {
		t.Error("the newest cannot be taken")
	}
	if _, ok := r.take(p(9)); ok {
		t.Error("it was taken, and is still there")
	}
}

// Sessions that are never bound, as those of a web client in the same process,
// keep nothing, and leave nothing when they end.
func TestBounds(t *testing.T) {
	b := newBench()
	for n := range 100_000 {
		b.call(10, uint64(n%1000), event.Out, 0, "something else")
		if n%100 == 0 {
			b.pass(time.Second)
		}
	}
	b.pass(holdFor)
	if g := b.Gauges(); g.Sessions != 1000 || g.Held != 0 || len(b.holding) != 0 {
		t.Errorf("%+v, %d hold", g, len(b.holding))
	}
	for n := range 1000 {
		b.Gone(Session{10, uint64(n)}, true)
	}
	if g := b.Gauges(); g.Sessions != 0 || len(b.sessions) != 0 {
		t.Errorf("%+v", g)
	}
	if c := b.Counters(); c.UnboundCalls != 100_000 {
		t.Errorf("%+v", c)
	}
}
