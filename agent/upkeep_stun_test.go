// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

func udpRig(t *testing.T, k policy.Keepalive) (*rig, *script.Conn) {
	r := newRig(t, keeping(k, policy.Enforce))
	conn := r.s.UDP(here, there)
	r.conns[conn.Socket] = conn
	m := keepRegister
	m.Via = "SIP/2.0/UDP 192.0.2.1:5060"
	answer(conn, event.Out, m, 200, ";keep=25", "Expires: 3600\r\n")
	return r, conn
}

// TestAgreedSTUN: requests that are answered, on a flow that is silent else.
func TestAgreedSTUN(t *testing.T) {
	r, _ := udpRig(t, policy.Keepalive{Inject: policy.InjectAgreed, SwallowStunAnswers: true})
	r.stun = func(conn *script.Conn, id [12]byte) {
		r.after(200*time.Millisecond, func() {
			conn.In(bindingOf(0x0101, id, 40000))
			r.s.Last().Own = true
		})
	}
	r.run(20 * time.Minute)
	if n := len(r.sent); n < 48 || n > 60 {
		t.Fatalf("%d requests: %+v", n, r.sent)
	}
	for i, gap := range r.gaps() {
		if gap < 20 || gap > 25 {
			t.Errorf("gap %d is %vs", i, gap)
		}
	}
	rep := r.report()
	if len(rep.Connections) != 1 || rep.Connections[0].Closed != nil {
		t.Fatalf("the flow ended by silence: %+v", rep.Connections)
	}
	line := rep.Connections[0].Keepalives
	if line.StunSent != 0 || line.StunAnswered != 0 || int(line.Injected) != len(r.sent) {
		t.Errorf("keep-alives %+v", line)
	}
	if up := rep.Connections[0].Upkeep; *up.Method != "stun" || *up.Answered != "yes" || *up.RoundTripSeconds < 0.19 || *up.RoundTripSeconds > 0.31 {
		t.Errorf("upkeep %+v", up)
	}
	r.noFindings("KEEP-07")
}

// TestSTUNTimeLine is RFC 8489 section 6.2.1, with RFC 6223 section 10 after it.
func TestSTUNTimeLine(t *testing.T) {
	r, conn := udpRig(t, policy.Keepalive{Inject: policy.InjectAgreed})
	r.run(10 * time.Minute)
	var got []int
	for _, b := range r.sent {
		got = append(got, int((b.at - r.sent[0].at).Milliseconds()))
	}
	if want := "[0 500 1500 3500 7500 15500 31500]"; fmt.Sprint(got) != want {
		t.Fatalf("copies at %v, want %s, and nothing after", got, want)
	}
	up := r.report().Connections[0]
	_ = up
	m := r.c.Metrics(r.s.Now)
	if m.Peers[0].Unanswered[4] != 1 {
		t.Errorf("unanswered %v", m.Peers[0].Unanswered)
	}
	again := keepRegister
	again.Via, again.Branch, again.CSeq = "SIP/2.0/UDP 192.0.2.1:5060", "renewed", 2
	answer(conn, event.Out, again, 200, ";keep=25", "Expires: 3600\r\n")
	before := len(r.sent)
	r.run(26 * time.Second)
	if len(r.sent) == before {
		t.Error("nothing is sent though keep-alives were agreed anew")
	}
}
