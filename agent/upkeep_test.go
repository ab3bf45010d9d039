// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestAgreedPings: the program offered keep and sends nothing.
func TestAgreedPings(t *testing.T) {
	r := newRig(t, agreedBy)
	r.pong = r.pongs(100 * time.Millisecond)
	conn := r.tcp(event.Local, "192.0.2.1:40000", there)
	answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
	r.run(10 * time.Minute)
	if n := len(r.sent); n < 20 || n > 25 {
		t.Fatalf("%d pings in ten minutes: %+v", n, r.sent)
	}
	if first := r.sent[0].at; first < 30*time.Second || first > 30200*time.Millisecond {
		t.Errorf("the first after %s: the program has until then", first)
	}
	for i, gap := range r.gaps() {
		if gap < 24 || gap > 30 {
			t.Errorf("gap %d is %vs", i, gap)
		}
	}
	rep := r.report()
	line := rep.Connections[0].Keepalives
	if line.PingsSent != 0 || line.PongsReceived != 0 || int(line.Injected) != len(r.sent) || line.Unanswered != 0 {
		t.Errorf("keep-alives %+v", line)
	}
	if idle := *rep.Connections[0].IdleSeconds; idle < 599 {
		t.Errorf("idle for %vs: viaduct's keep-alives are not the program's", idle)
	}
	if got := rep.Connections[0].Upkeep; got == nil || got.By != "viaduct" || got.Method == nil || *got.Method != "crlf" || *got.Answered != "yes" ||
		got.PromisedSeconds != 30 || *got.RoundTripSeconds < 0.09 {
		t.Errorf("upkeep %+v", got)
	}
	r.noFindings("KEEP-07") // which is true: the program sends none
	m := r.c.Metrics(r.s.Now)
	by := &m.Peers[0].Keepalives
	if by[metrics.Application][0][event.Out] != 0 || int(by[metrics.Viaduct][0][event.Out]) != len(r.sent) || m.Misplaced != 0 {
		t.Errorf("metrics %v", by)
	}
}

// TestAssist: viaduct sends nothing as long as the program does.
func TestAssist(t *testing.T) {
	r := newRig(t, agreedBy)
	r.pong = r.pongs(0)
	conn := r.tcp(event.Local, "192.0.2.1:40000", there)
	answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
	ping := func() {
		conn.Out("\r\n\r\n")
		conn.In("\r\n")
	}
	for range 10 {
		r.run(29 * time.Second)
		ping()
	}
	if len(r.sent) != 0 {
		t.Fatalf("sent %+v", r.sent)
	}
	r.run(31 * time.Second) // now it is late
	if len(r.sent) != 1 {
		t.Fatalf("sent %+v", r.sent)
	}
	ping()
	for range 10 {
		r.run(29 * time.Second)
		ping()
	}
	if len(r.sent) != 1 {
		t.Fatalf("sent %+v though the program has begun again", r.sent)
	}
	r.noFindings("KEEP-09")
	if up := r.report().Connections[0].Upkeep; up.By != "both" {
		t.Errorf("by %s", up.By)
	}
}

// TestGuards: what must hold at the moment of acting.
func TestGuards(t *testing.T) {
	for _, tt := range []struct {
		name, why string
		play      func(r *rig, conn *script.Conn)
	}{
		{"half a message", "the stream is not known to stand between two messages", func(r *rig, conn *script.Conn) { conn.Out("OPTIONS sip:a@example.com SIP/2.0\r\nVia: ") }},
		{"half a ping", "the stream is not known to stand between two messages", func(r *rig, conn *script.Conn) { conn.Out("\r\n") }},
		{"a whole message", "the program is writing", func(r *rig, conn *script.Conn) { conn.Out(script.Msg{Method: "OPTIONS", Branch: "x"}.String()) }},
		{"the program's own", "the program has sent its own", func(r *rig, conn *script.Conn) { conn.Out("\r\n\r\n") }},
		{"unregistered", "nothing is owed any more", func(r *rig, conn *script.Conn) {
			m := keepRegister
			m.Branch, m.CSeq, m.More = "bye", 2, "Expires: 0\r\n"
			answer(conn, event.Out, m, 200, ";keep", "")
		}},
		{"being renewed", "nothing is owed any more", func(r *rig, conn *script.Conn) {
			m := keepRegister
			m.Branch, m.CSeq = "again", 2
			conn.Out(m.String())
		}},
		{"closed", "the connection has ended", func(r *rig, conn *script.Conn) { conn.FIN(event.In) }},
		{"policy", "the policy is another one now", func(r *rig, conn *script.Conn) {
			r.c.SetPolicy(keeping(policy.Keepalive{Inject: policy.InjectAgreed}, policy.DryRun))
		}},
		{"never", "nothing is owed any more", func(r *rig, conn *script.Conn) { r.c.SetPolicy(keeping(policy.Keepalive{}, policy.Enforce)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, agreedBy)
			conn := r.tcp(event.Local, "192.0.2.1:40000", there)
			answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
			why := ""
			r.before = func(w *rule.Wish) (Outcome, string) {
				tt.play(r, conn)
				r.flush()
				if err := r.c.Still(w, r.s.Now); err != nil {
					why = err.Error()
				}
				r.before = nil
				return Done, ""
			}
			r.run(31 * time.Second)
			if why != tt.why {
				t.Errorf("%q, want %q", why, tt.why)
			}
		})
	}
}

// TestUnprepared: a program that shows no sign of knowing pongs never gets one.
func TestUnprepared(t *testing.T) {
	for name, tt := range map[string]struct {
		keep   policy.Keepalive
		action rule.Action
		idle   [2]time.Duration
	}{
		"auto":            {policy.Keepalive{Inject: policy.InjectAlways, Interval: 50 * time.Second}, rule.KeepaliveTCP, [2]time.Duration{40 * time.Second, 50 * time.Second}},
		"auto, default":   {policy.Keepalive{Inject: policy.InjectAlways}, rule.KeepaliveTCP, [2]time.Duration{95 * time.Second, 120 * time.Second}},
		"the policy says": {policy.Keepalive{Inject: policy.InjectAlways, Method: policy.MethodCRLF, Interval: 50 * time.Second}, rule.KeepaliveCRLF, [2]time.Duration{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, keeping(tt.keep, policy.Enforce))
			conn := r.tcp(event.Remote, here, "198.51.100.7:40001")
			exchange(conn, event.In, script.Msg{Method: "OPTIONS", Via: peerVia})
			r.run(5 * time.Minute)
			if n := len(r.sent); n < 5 || n > 7 {
				t.Fatalf("%d: %+v", n, r.sent)
			}
			for _, b := range r.sent {
				if b.action != tt.action || b.idle < tt.idle[0] || b.idle > tt.idle[1] || b.idle != r.sent[0].idle {
					t.Errorf("%+v", b)
				}
			}
			r.noFindings()
		})
	}
}

// TestEncrypted: nothing is put into TLS.
func TestEncrypted(t *testing.T) {
	r := newRig(t, keeping(policy.Keepalive{Inject: policy.InjectAlways, Method: policy.MethodCRLF}, policy.Enforce))
	conn := r.s.TCP(event.Local, "192.0.2.1:40000", "198.51.100.7:5061")
	conn.Transport = event.TLS
	conn.Open()
	r.conns[conn.Socket] = conn
	r.run(time.Minute)
	if len(r.sent) == 0 || r.sent[0].action != rule.KeepaliveTCP {
		t.Fatalf("sent %+v", r.sent)
	}
	up := r.report().Connections[0].Upkeep
	if up == nil || !strings.Contains(up.Because, "TLS") || up.Cannot == nil || up.ProbesUnanswered == nil || *up.ProbesUnanswered != 0 {
		t.Errorf("upkeep %+v", up)
	}
	r.c.Handle(&event.Event{
		Kind: event.Figures, Transport: event.TLS, Socket: conn.Socket, Time: r.s.Now, Local: conn.Local, Remote: conn.Remote,
		Counts: event.Counts{Probes: 3},
	})
	if up := r.report().Connections[0].Upkeep; up.ProbesUnanswered == nil || *up.ProbesUnanswered != 3 {
		t.Errorf("after three probes: %+v", up)
	}
}

// TestRefusedWrite: where viaduct may not write into a stream, the kernel does
// what it can.
func TestRefusedWrite(t *testing.T) {
	r := newRig(t, agreedBy)
	conn := r.tcp(event.Local, "192.0.2.1:40000", there)
	answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
	r.before = func(w *rule.Wish) (Outcome, string) {
		if w.Action == rule.KeepaliveCRLF {
			return Failed, "not permitted"
		}
		return Done, ""
	}
	r.run(3 * time.Minute)
	if len(r.sent) == 0 {
		t.Fatal("nothing sent")
	}
	for _, b := range r.sent {
		if b.action != rule.KeepaliveTCP || b.idle < 24*time.Second || b.idle > 30*time.Second {
			t.Errorf("%+v", b)
		}
	}
	failed := 0
	for _, a := range r.report().Actions {
		if a.Outcome == "failed" {
			failed += int(a.Count)
		}
	}
	if failed != 1 {
		t.Errorf("%d failures", failed)
	}
}

// TestDryRun: what would be sent is told, as often as it would be.
func TestDryRun(t *testing.T) {
	for _, inject := range []policy.Inject{policy.InjectAgreed, policy.InjectAlways} {
		r := newRig(t, keeping(policy.Keepalive{Inject: inject}, policy.DryRun))
		conn := r.tcp(event.Local, "192.0.2.1:40000", there)
		answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
		r.run(10 * time.Minute)
		actions := r.report().Actions
		if len(r.sent) != 0 || len(actions) != 1 || actions[0].Count < 20 || actions[0].Count > 25 || !strings.HasPrefix(actions[0].Reason, "dry-run: ") {
			t.Errorf("sent %+v, %+v", r.sent, actions)
		}
	}
}
