// SPDX-License-Identifier: Apache-2.0

package keepalive

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	in  = event.In
	out = event.Out
	sec = event.Time(time.Second)
)

func TestPingPong(t *testing.T) {
	type step struct {
		at   event.Time
		d    event.Direction
		what string
	}
	for _, tt := range []struct {
		name                           string
		steps                          []step
		pings, pongs, back, unanswered uint32 // pings out, pongs in, pings in
	}{
		{"answered", []step{{1, out, "ping"}, {2, in, "pong"}}, 1, 1, 0, 0},
		{"nobody pinged", []step{{1, in, "pong"}}, 0, 0, 0, 0},
		{"own pong is no answer", []step{{1, out, "ping"}, {2, out, "pong"}}, 1, 0, 0, 1},
		{"older than the ping", []step{{2, out, "ping"}, {1, in, "pong"}}, 1, 0, 0, 1},
		{"one pong for two pings", []step{{1, out, "ping"}, {2, out, "ping"}, {3, in, "pong"}}, 2, 1, 0, 1},
		{"too late", []step{{0, out, "ping"}, {11, in, "pong"}}, 1, 0, 0, 1},
		{"just in time", []step{{0, out, "ping"}, {10, in, "pong"}}, 1, 1, 0, 0},
		{"echo of a ping is a ping", []step{{0, out, "ping"}, {1, in, "ping"}}, 1, 0, 1, 2},
		{"two pongs in one segment", []step{{0, out, "ping"}, {1, out, "ping"}, {2, in, "ping"}}, 2, 2, 0, 0},
		{"pings that come back for ever are no pongs", []step{{0, out, "ping"}, {0, in, "ping"}, {0, out, "ping"}, {0, in, "ping"}}, 2, 0, 2, 4},
		{"too many at once", []step{{0, out, "ping"}, {0, out, "ping"}, {0, out, "ping"}, {0, out, "ping"}, {0, out, "ping"},
			{1, in, "pong"}, {1, in, "pong"}, {1, in, "pong"}, {1, in, "pong"}, {1, in, "pong"}}, 5, 4, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s State
			for _, p := range tt.steps {
				if p.what == "ping" {
					s.Ping(p.d, 1000*sec+p.at*sec)
				} else {
					s.Pong(p.d, 1000*sec+p.at*sec)
				}
			}
			o, i := s.Sent(out), s.Sent(in)
			if un := s.Unanswered(2000 * sec); o.Pings != tt.pings || i.Pongs != tt.pongs || i.Pings != tt.back || un != tt.unanswered {
				t.Errorf("%d pings, %d pongs, %d pings back, %d unanswered", o.Pings, i.Pongs, i.Pings, un)
			}
		})
	}
}

func TestIntervals(t *testing.T) {
	for _, tt := range []struct {
		name     string
		gaps     []time.Duration
		min, med time.Duration
		max      time.Duration
	}{
		{"one", []time.Duration{30 * time.Second}, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		{"even number", []time.Duration{10 * time.Second, 30 * time.Second}, 10 * time.Second, 20 * time.Second, 30 * time.Second},
		{"odd number", []time.Duration{3 * time.Second, time.Second, 2 * time.Second}, time.Second, 2 * time.Second, 3 * time.Second},
		{"64", repeat(64, 3*time.Second), 3 * time.Second, 3 * time.Second, 3 * time.Second},
		{"old ones leave the median, not the bounds", append(repeat(64, 60*time.Second), repeat(64, 20*time.Second)...), 20 * time.Second, 20 * time.Second, 60 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s State
			now := 1000 * sec
			s.Datagram(in, now)
			s.Datagram(out, now+5) // the other side's clock is its own
			for _, gap := range tt.gaps {
				now = now.Add(gap)
				s.Datagram(in, now)
			}
			v, ok := s.Intervals()
			if !ok || v != (Intervals{tt.min, tt.med, tt.max}) {
				t.Errorf("%+v, %t", v, ok)
			}
		})
	}
	var s State
	s.Datagram(in, sec)
	if _, ok := s.Intervals(); ok {
		t.Error("one keep-alive has no interval")
	}
}

func repeat(n int, d time.Duration) []time.Duration {
	s := make([]time.Duration, n)
	for i := range s {
		s[i] = d
	}
	return s
}

func TestClassify(t *testing.T) {
	stun := func(kind byte, cookie byte) string {
		return string([]byte{kind >> 4, kind & 0xf, 0, 0, 0x21, 0x12, 0xa4, cookie}) + "123456789012"
	}
	for _, tt := range []struct {
		b    string
		kind Kind
		ok   bool
	}{
		{"", Datagram, true},
		{"\r\n\r\n", Datagram, true},
		{"\x00\x00\x00\x00", Datagram, true},
		{"jaK", Datagram, true},
		{"\r\n\r\n\r\n\r\n \x00", Datagram, true},
		{"OPTIONS sip:a SIP/2.0\r\n", 0, false},
		{"\r\n\r\nOPTIONS sip:a SIP/2.0\r\n", 0, false},
		{stun(0x01, 0x42), StunRequest, true},
		{stun(0x11, 0x42), StunResponse, true},
		{stun(0x03, 0x42), StunOther, true},
		{stun(0x01, 0x43), 0, false}, // not the magic cookie
		{stun(0x01, 0x42)[:19], 0, false},
	} {
		if kind, ok := Classify([]byte(tt.b)); kind != tt.kind || ok != tt.ok {
			t.Errorf("%q: %v, %t; want %v, %t", tt.b, kind, ok, tt.kind, tt.ok)
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for k := range Kinds {
		if k.String() == "" || seen[k.String()] {
			t.Errorf("kind %d is called %q", k, k)
		}
		seen[k.String()] = true
	}
}
