// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
)

// play is one write of a client: P is a ping, R a request, and 1, 2, 3 are the
// thirds of one request. It waits for the answers, and then for a while.
type play struct {
	what string
	then time.Duration
}

// Keep-alives before, between and within the segments of requests: where known
// tools lose the message that follows. The pauses are part of the cases: each
// is a time within which some of these tools still hold the keep-alive.
var keepalivePlays = []struct {
	name  string
	older bool // the connection is older than the observation
	plays []play
}{
	{"plain request", false, []play{{"R", 0}}},
	{"shortly after a ping", false, []play{{"P", 350 * time.Millisecond}, {"R", 0}}},
	{"ping and request in one segment", false, []play{{"PR", 0}}},
	{"request in three segments", false, []play{{"1", 20 * time.Millisecond}, {"2", 20 * time.Millisecond}, {"3", 0}}},
	{"two requests in one segment", false, []play{{"RR", 0}}},
	{"ping long before", false, []play{{"P", 5 * time.Second}, {"R", 0}}},
	{"older connection", true, []play{{"R", 0}}},
	{"older connection, shortly after a ping", true, []play{{"P", 150 * time.Millisecond}, {"R", 0}}},
	{"ping between requests", false, []play{{"R", 0}, {"P", 300 * time.Millisecond}, {"R", 0}}},
	{"request, ping and request in one segment", false, []play{{"RPR", 0}}},
}

// TestKeepalives plays them against Kamailio, which answers pings itself. What
// both ends report is compared with what the client has sent and counted.
func TestKeepalives(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		t.Run(family(ipv6), func(t *testing.T) { testKeepalives(t, ipv6) })
	}
}

func testKeepalives(t *testing.T, ipv6 bool) {
	l := newLink(t)
	k := kamailio{idle: 60}.start(t, l.b)
	server := at(l.b.addr(ipv6), 5060)
	readers := make([]*reader, len(keepalivePlays))
	open := func(older bool) {
		for i, tt := range keepalivePlays {
			if tt.older == older {
				readers[i] = &reader{conn: l.a.dial(t, netip.AddrPort{}, server)}
			}
		}
	}
	open(true)
	w := startWatch(t, l, live.Options{})
	open(false)

	wants := make([]facts, len(keepalivePlays))
	var sum facts
	for i, tt := range keepalivePlays {
		r := readers[i]
		want := &wants[i]
		*want = facts{Transport: "tcp", Process: own(), Initiator: "local", HandshakeMeasured: true, OpenedKnown: true, Class: "unidirectional-ephemeral"}
		if tt.older {
			want.Initiator, want.HandshakeMeasured, want.OpenedKnown, want.Class = "unknown", false, false, "undetermined"
		}
		for _, p := range tt.plays {
			r.play(t, want, p.what)
			// The pause is what is tested, not a wait for something.
			time.Sleep(p.then)
		}
		if r.messages != int(want.RequestsOut) || r.crlfs != int(want.PingsOut) {
			t.Fatalf("%s: Kamailio sent %d replies and %d pongs for %d requests and %d pings", tt.name, r.messages, r.crlfs, want.RequestsOut, want.PingsOut)
		}
		want.ResponsesIn, want.PongsIn, want.BytesIn = uint32(r.messages), uint32(r.crlfs), uint64(r.bytes)
		sum.RequestsOut, sum.ResponsesIn = sum.RequestsOut+want.RequestsOut, sum.ResponsesIn+want.ResponsesIn
	}
	if sum.RequestsOut != 13 || sum.ResponsesIn != 13 {
		t.Fatalf("played %d requests and %d replies, want 13 and 13", sum.RequestsOut, sum.ResponsesIn)
	}
	w.finally(func(r *report.Report) string {
		for i, tt := range keepalivePlays {
			mine := addrOf(readers[i].conn.LocalAddr())
			near, far := one(r, "tcp", mine, server), one(r, "tcp", server, mine)
			if near == nil || far == nil {
				return fmt.Sprintf("%s: no connection of %s, or more than one", tt.name, mine)
			}
			if wrong := all(wants[i].differs(factsOf(near)), wants[i].mirrored(k.label()).differs(k.anyPID(factsOf(far)))); wrong != "" {
				return tt.name + ": " + wrong
			}
		}
		return ""
	})
}

// play sends one write, adds it to want, and reads what answers it.
func (r *reader) play(t *testing.T, want *facts, what string) {
	t.Helper()
	var out []byte
	for _, part := range what {
		if r.part == nil {
			r.part = request("OPTIONS", "TCP", r.conn.LocalAddr())
		}
		third := len(r.part) / 3
		switch part {
		case 'P':
			out = append(out, "\r\n\r\n"...)
			want.PingsOut++
		case 'R':
			out = append(out, r.part...)
		case '1':
			out = append(out, r.part[:third]...)
		case '2':
			out = append(out, r.part[third:2*third]...)
		case '3':
			out = append(out, r.part[2*third:]...)
		}
		if part == 'R' || part == '3' {
			r.part = nil
			want.RequestsOut++
		}
	}
	write(t, r.conn, out)
	want.BytesOut += uint64(len(out))
	r.answered(t, int(want.RequestsOut), int(want.PingsOut))
}
