// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"net/netip"
	"testing"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/bpf"
)

// Each refusal is told once, by source as long as the kernel remembers it, and
// whatever it forgets the sum is what the rows have counted.
func TestRefusedIsToldOnce(t *testing.T) {
	l := &Limiter{
		rows:   []series{{"trunk", policy.Enforce}},
		limits: []bpf.LimitRow{{ID: 4, PerSecond: 2.5, MaxConnections: 3, Enforce: true}},
		ledger: newLedger(),
	}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	fast := func(address netip.Addr, n uint64) bpf.RefusedTo {
		return bpf.RefusedTo{Row: 4, Address: address, TooFast: true, Enforce: true, Count: n}
	}
	many := bpf.RefusedTo{Row: 4, Address: a, Out: true, Count: 1}
	stranger := bpf.RefusedTo{Row: 9, Address: a, Count: 1}
	told := make(map[netip.Addr]uint64)
	for i, step := range []struct {
		rows    bpf.Refusals
		sources []bpf.RefusedTo
		want    int // lines
	}{
		{bpf.Refusals{}, nil, 0},
		{bpf.Refusals{In: 5}, []bpf.RefusedTo{fast(a, 5)}, 1},
		{bpf.Refusals{In: 5}, []bpf.RefusedTo{fast(a, 5)}, 0},
		{bpf.Refusals{In: 7, Out: 1}, []bpf.RefusedTo{fast(a, 6), fast(b, 1), many, stranger}, 3},
		{bpf.Refusals{In: 7, Out: 1}, []bpf.RefusedTo{fast(b, 1), many}, 0},              // a was forgotten
		{bpf.Refusals{In: 9, Out: 1}, []bpf.RefusedTo{fast(a, 2), fast(b, 1), many}, 1},  // and came again
		{bpf.Refusals{In: 12, Out: 1}, []bpf.RefusedTo{fast(a, 2), fast(b, 1), many}, 1}, // three of one that was forgotten before it was read
		{bpf.Refusals{In: 12, Out: 1}, []bpf.RefusedTo{fast(a, 3), fast(b, 1), many}, 1}, // a source is ahead of its row
		{bpf.Refusals{In: 13, Out: 1}, []bpf.RefusedTo{fast(a, 3), fast(b, 1), many}, 0},
	} {
		l.tell(bpf.Refused{Rows: []bpf.Refusals{step.rows}, Sources: step.sources})
		if len(l.untold) != step.want {
			t.Fatalf("step %d: %+v, want %d lines", i, l.untold, step.want)
		}
		for _, r := range l.untold {
			told[r.Address] += r.Count
			want := "limits: connects_per_second: 2.5, with a burst of 1"
			switch {
			case !r.Address.IsValid():
				want = ""
			case r.Out:
				want = "limits: max_connections: 3 at a time"
			}
			if r.Reason != want || r.Peer != "trunk" || r.Mode != policy.Enforce {
				t.Errorf("step %d: %+v, want the reason %q", i, r, want)
			}
		}
		l.untold = nil
	}
	if told[a] != 10 || told[b] != 1 || told[netip.Addr{}] != 3 {
		t.Errorf("told %v", told)
	}
}
