// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

func TestChurn(t *testing.T) {
	var p Peer
	p.Carried(5060, true, true, time.Millisecond)    // has to be
	p.Carried(5060, true, true, 2*time.Millisecond)  // needless
	p.Carried(5060, true, false, 4*time.Millisecond) // needless, but its handshake was not seen
	p.Carried(5060, false, true, 8*time.Millisecond) // the other direction
	p.Carried(5070, true, true, 16*time.Millisecond) // another server
	p.Carried(5070, true, true, 32*time.Millisecond) // needless
	if want := (Churn{2, 34 * time.Millisecond}); p.Churn != want {
		t.Errorf("%+v, want %+v", p.Churn, want)
	}
	for port := range uint16(1000) {
		p.Carried(10_000+port, true, true, time.Hour)
	}
	if len(p.served) != servers || p.Churn.Handshakes != 2 {
		t.Errorf("%d servers kept, %+v", len(p.served), p.Churn)
	}
}

func TestBeats(t *testing.T) {
	var b Beats
	for _, d := range []time.Duration{25, 31, 31, 32} {
		b.Add(d*time.Second, 30)
	}
	b.Add(100*time.Second, 0) // nothing was agreed any more
	if b.N != 5 || b.Late != 1 || b.Promised != 30 || b.Max != 100*time.Second {
		t.Errorf("%+v", b)
	}
	b = Beats{}
	b.Add(205*time.Second, 200)
	b.Add(203*time.Second, 200)
	if b.Late != 1 {
		t.Errorf("%d late, want the one beyond 2%%", b.Late)
	}
}

func TestIdleOfEachSide(t *testing.T) {
	var p Peer
	for range 3 {
		p.ClosedIdle(event.Remote, time.Minute)
		p.ClosedIdle(event.Local, 10*time.Minute)
		p.ClosedIdle(event.Unknown, time.Hour)
	}
	p.ClosedIdle(event.Remote, 7*time.Second)
	theirs, ok := p.IdleTimeout(event.Remote)
	if want := (Idle{time.Minute, 3}); !ok || theirs != want {
		t.Errorf("%+v, %t", theirs, ok)
	}
	ours, ok := p.IdleTimeout(event.Local)
	if want := (Idle{10 * time.Minute, 3}); !ok || ours != want {
		t.Errorf("%+v, %t", ours, ok)
	}
	for d, near := range map[time.Duration]bool{53 * time.Second: false, 54 * time.Second: true, 66 * time.Second: true, 67 * time.Second: false} {
		if theirs.Near(d) != near {
			t.Errorf("%s near %s: %t", d, theirs.After, !near)
		}
	}
}
