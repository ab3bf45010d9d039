// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// suffering is what a kind of program does with a lone CRLF that it reads.
type suffering func(r *rig, conn *script.Conn, harmed func())

func closing(r *rig, conn *script.Conn, after time.Duration, harmed func()) {
	r.after(after, func() {
		harmed()
		conn.FIN(event.Out)
		conn.Close(event.Local, event.FIN)
	})
}

var sufferers = map[string]suffering{
	// Kamailio 5.8 and later takes it for the beginning of a message, for which it waits.
	"kamailio": func(r *rig, conn *script.Conn, harmed func()) { closing(r, conn, 25900*time.Millisecond, harmed) },
	// SIPp takes it for an unexpected message, and ends the call.
	"sipp": func(r *rig, conn *script.Conn, harmed func()) { closing(r, conn, 10*time.Millisecond, harmed) },
	// Some versions of pjsip answer it as if it were a ping.
	"pjsip": func(r *rig, conn *script.Conn, harmed func()) {
		r.after(20*time.Millisecond, func() {
			harmed()
			conn.Out("\r\n")
		})
	},
}

// TestAutoHarmsNobody: for an hour nothing is put into the streams of programs
// that cannot stand the answer, and the kernel keeps them alive.
func TestAutoHarmsNobody(t *testing.T) {
	for name, suffer := range sufferers {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, keeping(policy.Keepalive{Inject: policy.InjectAlways, Interval: 20 * time.Second}, policy.Enforce))
			harmed := 0
			r.pong = func(conn *script.Conn) {
				conn.In("\r\n")
				suffer(r, conn, func() { harmed++ })
			}
			for _, initiator := range []event.Side{event.Local, event.Remote} {
				conn := r.s.TCP(initiator, "192.0.2.1:40000", there)
				conn.Owner.Name = name
				conn.Open()
				r.conns[conn.Socket] = conn
				d := map[event.Side]event.Direction{event.Local: event.Out, event.Remote: event.In}[initiator]
				via := ""
				if d == event.In {
					via = peerVia
				}
				exchange(conn, d, script.Msg{Method: "OPTIONS", Branch: name, Via: via})
			}
			r.run(time.Hour)
			if harmed > 0 {
				t.Errorf("harmed %d times", harmed)
			}
			if len(r.sent) < 100 {
				t.Errorf("seen to %d times", len(r.sent))
			}
			for _, b := range r.sent {
				if b.action != rule.KeepaliveTCP {
					t.Fatalf("%+v", b)
				}
			}
			r.noFindings()
		})
	}
}

// TestAutoLearns: a program that offers keep and cannot stand the answers all
// the same gets none after the first, on no connection.
func TestAutoLearns(t *testing.T) {
	for name, suffer := range sufferers {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, agreedBy)
			harmed := 0
			r.pong = func(conn *script.Conn) {
				r.after(50*time.Millisecond, func() {
					conn.In("\r\n")
					suffer(r, conn, func() { harmed++ })
				})
			}
			for i := range 10 {
				conn := r.s.TCP(event.Local, "192.0.2.1:40000", there)
				conn.Owner.Name = name
				conn.Open()
				r.conns[conn.Socket] = conn
				m := keepRegister
				m.Branch, m.CallID = string(rune('a'+i)), string(rune('a'+i))+"@example.com"
				answer(conn, event.Out, m, 200, ";keep=30", "Expires: 3600\r\n")
				r.run(55 * time.Second)
			}
			r.run(20 * time.Minute)
			pings := 0
			for _, b := range r.sent {
				if b.action == rule.KeepaliveCRLF {
					pings++
				}
			}
			if pings == 0 || pings > 4 || harmed == 0 {
				t.Errorf("%d pings, harmed %d times", pings, harmed)
			}
			found := 0
			for _, f := range r.report().Findings {
				if f.Rule == "POL-07" {
					found++
				}
			}
			if found != 1 {
				t.Errorf("POL-07 raised %d times", found)
			}
			last := r.report().Connections[9].Upkeep
			if *last.Method != "tcp" || last.Because != "the program was seen to suffer from pongs" {
				t.Errorf("upkeep %+v", last)
			}
		})
	}
}

// TestPreparedPrograms: a program seen to send pings on one connection has them
// sent for it on the next; so has one that offered outbound itself.
func TestPreparedPrograms(t *testing.T) {
	r := newRig(t, keeping(policy.Keepalive{Inject: policy.InjectAlways, Interval: 30 * time.Second}, policy.Enforce))
	r.pong = r.pongs(time.Millisecond)
	first := r.tcp(event.Local, "192.0.2.1:40000", there)
	exchange(first, event.Out, script.Msg{Method: "OPTIONS", Branch: "a"})
	first.Out("\r\n\r\n")
	first.In("\r\n")
	r.run(time.Second)
	second := r.tcp(event.Local, "192.0.2.1:40001", there)
	exchange(second, event.Out, script.Msg{Method: "OPTIONS", Branch: "b"})
	r.run(5 * time.Minute)
	for _, b := range r.sent {
		if b.action != rule.KeepaliveCRLF {
			t.Errorf("%+v", b)
		}
	}
	up := r.report().Connections[1].Upkeep
	if *up.Method != "crlf" || up.Because != "the program has been seen to send pings, so it knows pongs" {
		t.Errorf("upkeep %+v", up)
	}
	// What was learned survives a restart.
	again := New(Config{Started: r.s.Now, Policy: r.c.cfg.Policy})
	again.Restore(r.c.Save(), r.s.Now)
	if p := again.programs.Get(assist.Name{Name: "proxy"}); p == nil || !p.Pings {
		t.Errorf("restored %+v", p)
	}
}

// TestAutoLearnsLost: SIPp takes a lone CRLF for the beginning of the request
// that comes next, and does not answer it; two of them pass for an empty
// message. A program that reads past them is not taken for such a one, nor is
// one that leaves a request unanswered without them.
func TestAutoLearnsLost(t *testing.T) {
	for name, tt := range map[string]struct {
		reads func(pongs, n int) bool // whether it understands the nth request, behind so many pongs
		pings bool                    // it sends one, once
		lost  bool
	}{
		"sipp":     {reads: func(pongs, _ int) bool { return pongs%2 == 0 }, lost: true},
		"copes":    {reads: func(int, int) bool { return true }},
		"ignores":  {reads: func(pongs, n int) bool { return n != 3 }},
		"not then": {reads: func(pongs, n int) bool { return pongs%2 == 1 || n != 0 }},
		"pings":    {reads: func(pongs, n int) bool { return n != 0 }, pings: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, agreedBy)
			pongs, total := 0, 0
			r.pong = func(conn *script.Conn) {
				r.after(time.Millisecond, func() {
					conn.In("\r\n")
					pongs, total = pongs+1, total+1
				})
			}
			conn := r.tcp(event.Local, "192.0.2.1:40000", there)
			answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
			if tt.pings {
				conn.Out("\r\n\r\n")
				conn.In("\r\n")
			}
			lost := 0
			for n := range 40 {
				r.run(time.Duration(10+30*min(n, 1)) * time.Second) // the first comes before any pong
				m := script.Msg{Method: "OPTIONS", Via: peerVia, Branch: fmt.Sprint(n), CallID: fmt.Sprintf("%d@example.com", n)}
				conn.In(m.String())
				if tt.reads(pongs, n) {
					conn.Out(m.Reply(200).String())
				} else {
					lost++
				}
				pongs = 0
			}
			r.run(time.Minute)
			up, want, found := r.report().Connections[0].Upkeep, "crlf", 0
			for _, f := range r.report().Findings {
				if f.Rule == "POL-07" {
					found++
					t.Log(f.Evidence)
				}
			}
			if tt.lost {
				want = "tcp"
			}
			if *up.Method != want || (found == 1) != tt.lost {
				t.Errorf("%s because %s, POL-07 raised %d times", *up.Method, up.Because, found)
			}
			if tt.lost && (lost == 0 || lost > 2 || total > 4) {
				t.Errorf("%d requests lost, %d pongs", lost, total)
			}
		})
	}
}
