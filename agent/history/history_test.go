// SPDX-License-Identifier: Apache-2.0

package history

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

func TestMark(t *testing.T) {
	for _, w := range []What{
		{Dir: event.In},
		{After: 1234567 * time.Millisecond, Kind: Request, Dir: event.Out, Again: true, Method: sipparse.MethodRefer},
		{After: 50 * 365 * 24 * time.Hour, Kind: Response, Dir: event.In, Method: sipparse.MethodInvite, Status: 699},
		{After: time.Millisecond, Kind: Malformed, Dir: event.Out},
	} {
		if got := w.Mark().What(); got != w {
			t.Errorf("%+v became %+v", w, got)
		}
	}
	if got := (What{After: -time.Hour, Status: 5000, Dir: event.In}).Mark().What(); got.After != 0 || got.Status != statusMax {
		t.Errorf("out of range: %+v", got)
	}
}

func list(m *Marks) (ms []int) {
	m.Each(func(w What) { ms = append(ms, int(w.After.Milliseconds())) })
	return ms
}

// TestMiddleIsLeftOut: the beginning and the newest stay, in order.
func TestMiddleIsLeftOut(t *testing.T) {
	for n := range 300 {
		b := Budget{Limit: 1 << 20}
		var m *Marks
		for i := range n {
			if !b.Add(&m, What{After: time.Duration(i) * time.Millisecond, Dir: event.In}) {
				t.Fatal("no room")
			}
		}
		if n == 0 {
			if m != nil {
				t.Fatal("made for nothing")
			}
			continue
		}
		got := list(m)
		if len(got) != min(n, most) || m.Left() != max(0, n-most) {
			t.Fatalf("of %d: %d kept, %d left out", n, len(got), m.Left())
		}
		for i, ms := range got {
			want := i
			if i >= First {
				want += m.Left()
			}
			if ms != want {
				t.Fatalf("of %d: number %d is %d, want %d", n, i, ms, want)
			}
		}
		b.Drop(&m)
		if b.Used != 0 || m != nil {
			t.Fatalf("%d bytes stay", b.Used)
		}
	}
}

// TestBudget: whatever comes and goes, the limit holds, what is kept is in
// order, and all is given back.
func TestBudget(t *testing.T) {
	refused := false
	random := rand.New(rand.NewPCG(1, 2))
	b := Budget{Limit: 20_000}
	conns := make([]*Marks, 100)
	added := make([]int, len(conns))
	for step := range 100_000 {
		i := random.IntN(len(conns))
		if random.IntN(50) == 0 {
			b.Drop(&conns[i])
			added[i] = 0
			continue
		}
		kept := b.Add(&conns[i], What{After: time.Duration(step) * time.Millisecond, Dir: event.In})
		refused = refused || !kept
		if kept || conns[i] != nil {
			added[i]++
		}
		if b.Used > b.Limit {
			t.Fatalf("%d of %d bytes", b.Used, b.Limit)
		}
		if m := conns[i]; m != nil {
			if m.Len()+m.Left() != added[i] {
				t.Fatalf("%d kept, %d left out, of %d", m.Len(), m.Left(), added[i])
			}
			last := -1
			for _, ms := range list(m) {
				if ms <= last {
					t.Fatal("out of order")
				}
				last = ms
			}
		}
	}
	if !refused {
		t.Error("the limit was never met")
	}
	for i := range conns {
		b.Drop(&conns[i])
	}
	if b.Used != 0 {
		t.Errorf("%d bytes stay", b.Used)
	}
}

func TestNobodyWantsAny(t *testing.T) {
	var b Budget
	var m *Marks
	if !b.Add(&m, What{}) || m != nil || b.Used != 0 {
		t.Errorf("%+v %+v", m, b)
	}
}
