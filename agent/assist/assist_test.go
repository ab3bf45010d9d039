// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

const start = event.Time(1_800_000_000_000_000_000)

func seeded() *rand.Rand { return rand.New(rand.NewPCG(7, 7)) }

func TestChoose(t *testing.T) {
	tcp := func(x Facts) Facts { x.Transport = event.TCP; return x }
	for _, tt := range []struct {
		policy policy.Method
		facts  Facts
		want   Method
		why    Why
	}{
		{policy.MethodAuto, tcp(Facts{}), TCP, Unprepared},
		{policy.MethodAuto, tcp(Facts{Offers: true}), CRLF, Offered},
		{policy.MethodAuto, tcp(Facts{Pings: true}), CRLF, Pings},
		{policy.MethodAuto, tcp(Facts{Program: &Program{Pings: true}}), CRLF, Pings},
		{policy.MethodAuto, tcp(Facts{Program: &Program{Offers: true}}), CRLF, Offered},
		{policy.MethodAuto, tcp(Facts{Offers: true, Program: &Program{Suffers: ClosedSoon}}), TCP, Suffers},
		{policy.MethodAuto, tcp(Facts{Offers: true, Refused: true}), TCP, Unreachable},
		{policy.MethodAuto, tcp(Facts{Offers: true, Blind: true}), TCP, Blind},
		{policy.MethodSTUN, tcp(Facts{Offers: true}), CRLF, Offered},
		{policy.MethodCRLF, tcp(Facts{}), CRLF, Told},
		{policy.MethodCRLF, tcp(Facts{Program: &Program{Suffers: ClosedSoon}}), CRLF, Told},
		{policy.MethodCRLF, tcp(Facts{Refused: true}), TCP, Unreachable},
		{policy.MethodCRLF, tcp(Facts{Blind: true}), TCP, Blind},
		{policy.MethodTCP, tcp(Facts{Offers: true}), TCP, Told},
		{policy.MethodCRLF, Facts{Transport: event.TLS, Offers: true}, TCP, Encrypted},
		{policy.MethodCRLF, Facts{Transport: event.UDP}, STUN, Datagrams},
	} {
		if got, why := Choose(tt.policy, &tt.facts); got != tt.want || why != tt.why {
			t.Errorf("%s, %+v: %s (%s), want %s (%s)", tt.policy, tt.facts, got, why, tt.want, tt.why)
		}
	}
}

// TestDefaults: RFC 5626 sections 4.4.1 and 4.4.2, and what the policy says instead.
func TestDefaults(t *testing.T) {
	for _, tt := range []struct {
		stream      bool
		keep        policy.Keepalive
		past        Past
		ok          bool
		least, most time.Duration
	}{
		{true, policy.Keepalive{}, Past{}, false, 0, 0},
		{true, policy.Keepalive{Inject: policy.InjectAgreed}, Past{}, false, 0, 0},
		{true, policy.Keepalive{Inject: policy.InjectAlways}, Past{}, true, 95 * time.Second, 120 * time.Second},
		{false, policy.Keepalive{Inject: policy.InjectAlways}, Past{}, true, 24 * time.Second, 29 * time.Second},
		{false, policy.Keepalive{Inject: policy.InjectAlways, Interval: 10 * time.Second}, Past{}, true, 8 * time.Second, 10 * time.Second},
		{true, policy.Keepalive{Inject: policy.InjectAlways, Interval: 10 * time.Minute}, Past{}, true, 8 * time.Minute, 10 * time.Minute},
		{true, policy.Keepalive{Inject: policy.InjectAlways, Interval: 1000 * time.Hour}, Past{}, true, longest * 4 / 5, longest},
		{false, policy.Keepalive{Inject: policy.InjectAlways}, Past{Stopped: start}, false, 0, 0},
		{false, policy.Keepalive{Inject: policy.InjectAlways}, Past{Stopped: start, Heard: true}, true, 24 * time.Second, 29 * time.Second},
	} {
		terms, ok := Owed(nil, tt.stream, &tt.keep, tt.past, start)
		if ok != tt.ok || ok && (terms.Least != tt.least || terms.Interval != tt.most || terms.Basis != ByPolicy) {
			t.Errorf("%+v: %+v, %t", tt, terms, ok)
		}
	}
}

// TestTimeLine is RFC 8489 section 6.2.1's own, to the nanosecond.
func TestTimeLine(t *testing.T) {
	r := seeded()
	f := &Flow{Method: STUN}
	f.Begin(Terms{Least: 24 * time.Second, Interval: 29 * time.Second, Basis: ByPolicy}, start, r)
	now := f.At()
	first := now
	var at []int64
	for range 20 {
		switch f.Look(now, false, true) {
		case Send, Again:
			at = append(at, now.Sub(first).Milliseconds())
			f.ID(r)
			f.Asked(now)
			f.Done(now, r)
		case GaveUp:
			if got, want := fmt.Sprint(at), "[0 500 1500 3500 7500 15500 31500]"; got != want {
				t.Errorf("copies at %s, want %s", got, want)
			}
			if now.Sub(first) != 39500*time.Millisecond || f.State != Stopped || f.At() != 0 || f.Unanswered != 1 || f.Own != 1 {
				t.Errorf("given up after %s: %+v", now.Sub(first), f)
			}
			return
		}
		now = f.At()
	}
	t.Error("never given up")
}

func response(id [12]byte, kind uint16, port uint16) *keepalive.Binding {
	return &keepalive.Binding{Type: kind, ID: id, Mapped: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.5"), port)}
}

// TestID: no request ends with what could begin a message.
func TestID(t *testing.T) {
	r := seeded()
	seen := make(map[byte]bool)
	for range 100_000 {
		f := &Flow{Method: STUN}
		id := f.ID(r)
		seen[id[11]] = true
	}
	for c := range 256 {
		inMethod := strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~", rune(c))
		if seen[byte(c)] == inMethod {
			t.Errorf("requests end with %q: %v", rune(c), seen[byte(c)])
		}
	}
}

func TestResponse(t *testing.T) {
	r := seeded()
	ask := func(f *Flow, now event.Time) [12]byte {
		id := f.ID(r)
		f.Asked(now)
		f.Done(now, r)
		return id
	}
	f := &Flow{Method: STUN}
	f.Begin(Terms{Least: 24 * time.Second, Interval: 29 * time.Second, Basis: ByPolicy}, start, r)
	id := ask(f, start)
	if a, _ := f.Response(response([12]byte{1}, 0x0101, 1), start+1); a != Foreign {
		t.Error("an answer to somebody else's is taken")
	}
	if a, _ := f.Response(response(id, 0x0101, 40000), start.Add(time.Second)); a != Same || f.RTT != time.Second || f.Answered != 1 {
		t.Errorf("answer %d, %+v", a, f)
	}
	if a, _ := f.Response(response(id, 0x0101, 40000), start.Add(2*time.Second)); a != Foreign {
		t.Error("an answer is taken twice")
	}
	id = ask(f, start.Add(time.Minute))
	a, before := f.Response(response(id, 0x0101, 40001), start.Add(time.Minute+1))
	if a != Changed || before.Port() != 40000 || f.Mapped().Port() != 40001 || f.State != Fine {
		t.Errorf("answer %d, before %s, %+v", a, before, f)
	}
	id = ask(f, start.Add(2*time.Minute))
	f.Asked(start.Add(2*time.Minute + time.Second))
	f.Done(start.Add(2*time.Minute+time.Second), r) // a copy
	if a, _ := f.Response(response(id, 0x0101, 40001), start.Add(2*time.Minute+2*time.Second)); a != Same || f.RTT != 0 {
		t.Errorf("answer %d to one of two copies, round trip %s", a, f.RTT)
	}
	id = ask(f, start.Add(3*time.Minute))
	if a, _ := f.Response(response(id, 0x0111, 0), start.Add(3*time.Minute+1)); a != Error || f.State != Stopped {
		t.Errorf("answer %d, %s", a, f.State)
	}
}

// TestEnded: what a close says of a program.
func TestEnded(t *testing.T) {
	for _, tt := range []struct {
		after          time.Duration // from the first pong to the close
		pongs          int           // 27 seconds apart
		owing, exiting bool
		want           Harm
	}{
		{100 * time.Millisecond, 1, false, false, ClosedSoon},
		{100 * time.Millisecond, 1, false, true, ClosedSoon},
		{500 * time.Millisecond, 1, false, false, Unharmed},
		{500 * time.Millisecond, 1, true, false, ClosedSoon},
		{500 * time.Millisecond, 1, true, true, Unharmed},
		{26 * time.Second, 1, false, false, Unharmed},
		{26 * time.Second, 1, true, false, ClosedLate},
		{26 * time.Second, 1, true, true, Unharmed},
		{34 * time.Second, 2, true, false, ClosedLate},
		{80 * time.Second, 3, true, false, Unharmed},
		{time.Second, 0, true, false, Unharmed},
	} {
		var f Flow
		for i := range tt.pongs {
			f.harm.pong(start.Add(time.Duration(i) * 27 * time.Second))
		}
		if got, _ := f.Ended(start.Add(tt.after), tt.owing, tt.exiting); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
		f.Heard()
		if got, _ := f.Ended(start.Add(tt.after), tt.owing, tt.exiting); got != Unharmed {
			t.Errorf("%+v, and a message read since: %s", tt, got)
		}
	}
}

// TestPrograms: what harms one program of a name harms all; nothing grows for ever.
func TestPrograms(t *testing.T) {
	var all Programs
	one, other := Name{"proxy", ""}, Name{"proxy", "c0ffee"}
	all.Make(one).Pings = true
	if all.Get(other) != nil {
		t.Error("a program in a container is taken for that of the host")
	}
	if !all.Harmed(one, ClosedSoon) || all.Harmed(other, ClosedLate) {
		t.Error("news that is none, or none that is")
	}
	if p := all.Get(other); p == nil || p.Suffers != ClosedSoon || p.Pings {
		t.Errorf("%+v", p)
	}
	var next Programs
	next.Restore(all.Save())
	if p := next.Get(one); p == nil || !p.Pings || p.Suffers != ClosedSoon {
		t.Errorf("restored %+v", p)
	}
	for i := range 2 * maxPrograms {
		all.Make(Name{fmt.Sprint(i), ""})
	}
	if len(all.all) != maxPrograms || all.Evicted < maxPrograms || all.Get(one) == nil {
		t.Errorf("%d programs, %d evicted", len(all.all), all.Evicted)
	}
	all.Make(Name{}).Pings = true
	if all.Get(Name{}) != nil {
		t.Error("a program without a name is remembered")
	}
}

// TestBusy: what cannot be done is tried again, later and later, but within half a minute.
func TestBusy(t *testing.T) {
	r := seeded()
	f := &Flow{Method: CRLF}
	f.Begin(Terms{Least: 24 * time.Second, Interval: 30 * time.Second, Basis: ByPolicy}, start, r)
	var waits []float64
	for now := f.At(); len(waits) < 7; now = f.At() {
		if f.Look(now, false, true) != Send {
			t.Fatal("not due when it said so")
		}
		f.Asked(now)
		f.Busy(now)
		waits = append(waits, f.At().Sub(now).Seconds())
	}
	if got, want := fmt.Sprint(waits), "[1 2 4 8 16 30 30]"; got != want {
		t.Errorf("waits %s, want %s", got, want)
	}
	now := f.At()
	f.Asked(now)
	if f.Look(now.Add(time.Second), false, true) != Wait || f.Look(now.Add(forgotten), false, true) != Send {
		t.Error("an action of which nothing was heard is not given up when it should")
	}
}

// TestLate: from when a keep-alive was due first until it went, however often it
// had to be put off; nothing for the program's own, nor for copies.
func TestLate(t *testing.T) {
	r := seeded()
	f := &Flow{Method: CRLF}
	f.Begin(Terms{Least: 24 * time.Second, Interval: 30 * time.Second, Basis: ByPolicy}, start, r)
	if _, first := f.Late(start); first {
		t.Error("nothing was due")
	}
	due := f.Due()
	if f.Look(due, false, true) != Send {
		t.Fatal("it is due")
	}
	f.Asked(due)
	f.Busy(due)
	again := f.At()
	if f.Look(again, false, true) != Send {
		t.Fatal("it is due again")
	}
	f.Asked(again)
	sent := again.Add(time.Millisecond)
	if late, first := f.Late(sent); !first || late != sent.Sub(due) {
		t.Errorf("late by %s, %t; want %s", late, first, sent.Sub(due))
	}
	f.Done(sent, r)
	if _, first := f.Late(sent); first {
		t.Error("it has been told")
	}
	f.Pong(sent)
	if f.Look(f.Due(), false, true) != Send {
		t.Fatal("the next is due")
	}
	f.Beat(f.Due())
	if _, first := f.Late(f.Due()); first {
		t.Error("the program has sent its own")
	}
}

// TestLateAfterAll: a ping that was told not to have gone, and is seen in the stream
// before or after that, is none that the next one makes up for.
func TestLateAfterAll(t *testing.T) {
	for name, seenFirst := range map[string]bool{"seen, then told": true, "told, then seen": false} {
		t.Run(name, func(t *testing.T) {
			r := seeded()
			f := &Flow{Method: CRLF}
			f.Begin(Terms{Least: 24 * time.Second, Interval: 30 * time.Second, Basis: ByPolicy}, start, r)
			sent := f.Due()
			if f.Look(sent, false, true) != Send {
				t.Fatal("it is due")
			}
			f.Asked(sent)
			if seenFirst {
				f.Ping(sent, r)
				f.Busy(sent)
			} else {
				f.Busy(sent)
				f.Ping(sent, r)
			}
			f.Pong(sent)
			due := f.Due()
			if f.Look(due, false, true) != Send || due.Sub(sent) < 24*time.Second {
				t.Fatalf("the next is due %v after it", due.Sub(sent))
			}
			f.Asked(due)
			if late, first := f.Late(due.Add(time.Millisecond)); !first || late != time.Millisecond {
				t.Errorf("the next is late by %s, %t", late, first)
			}
			if gap := f.Done(due, r); gap != due.Sub(sent) || f.Own != 2 {
				t.Errorf("%d pings, the newest after %v", f.Own, gap)
			}
			if gap := f.Ping(due, r); gap != 0 || f.Own != 2 {
				t.Errorf("%d pings, one of them counted twice", f.Own)
			}
		})
	}
}

// TestProbes: the kernel's timers are late by up to an eighth, and the probe is
// there in time.
func TestProbes(t *testing.T) {
	r := seeded()
	for seconds := time.Duration(2); seconds < 300; seconds++ {
		f := &Flow{Method: TCP}
		f.Begin(Terms{Least: seconds * time.Second * 4 / 5, Interval: seconds * time.Second, Basis: ByPolicy}, start, r)
		for range 20 {
			f.Idle = 0
			f.Probes(r)
			if f.Idle > f.Terms.Interval || f.Idle < f.Terms.Least || seconds >= 5 && f.Idle*9/8 > f.Terms.Interval {
				t.Fatalf("every %s: TCP_KEEPIDLE is %s", f.Terms.Interval, f.Idle)
			}
		}
	}
}
