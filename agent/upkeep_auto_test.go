// SPDX-License-Identifier: Apache-2.0

package agent

import (
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
