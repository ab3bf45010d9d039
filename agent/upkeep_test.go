// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/saved"
	"github.com/viaduct-project/viaduct/internal/event"
)

// keeping is a policy that has keep-alives sent.
func keeping(k policy.Keepalive, m policy.Mode) *policy.Policy {
	p := &policy.Policy{Fallback: policy.Peer{
		Name: policy.Other, Enforce: m, Keepalive: k, Persistent: policy.Persistent{MaxConnections: -1},
	}}
	p.Compile()
	return p
}

// rig drives a core with a script and does what the core asks for, as the hands
// on a live host would.
type rig struct {
	t     *testing.T
	s     *script.Script
	c     *Core
	conns map[uint64]*script.Conn
	sent  []sentBeat
	later []later

	pong   func(*script.Conn)                   // what the peer does with viaduct's ping
	stun   func(conn *script.Conn, id [12]byte) // what the peer does with viaduct's request
	before func(w *rule.Wish) (Outcome, string) // what comes between asking and acting
}

type sentBeat struct {
	at     time.Duration // since the script's start
	socket uint64
	action rule.Action
	idle   time.Duration
}

type later struct {
	at event.Time
	f  func()
}

func newRig(t *testing.T, p *policy.Policy) *rig {
	s := script.New()
	return &rig{t: t, s: s, c: New(Config{Started: s.Now, Policy: p}), conns: make(map[uint64]*script.Conn)}
}

func (r *rig) tcp(initiator event.Side, local, remote string) *script.Conn {
	conn := r.s.TCP(initiator, local, remote).Open()
	r.conns[conn.Socket] = conn
	return conn
}

func (r *rig) after(d time.Duration, f func()) { r.later = append(r.later, later{r.s.Now.Add(d), f}) }

func (r *rig) flush() {
	for i := range r.s.Events {
		r.c.Handle(&r.s.Events[i])
	}
	r.s.Events = r.s.Events[:0]
}

// run lets time pass in steps of a tenth of a second.
func (r *rig) run(d time.Duration) {
	const step = 100 * time.Millisecond
	for end := r.s.Now.Add(d); r.s.Now < end; r.s.Wait(step) {
		r.flush()
		due := r.later
		r.later = nil
		for _, l := range due {
			if l.at > r.s.Now {
				r.later = append(r.later, l)
				continue
			}
			l.f()
		}
		r.flush()
		if r.s.Now%event.Time(time.Second) == 0 {
			r.c.Tick(r.s.Now)
		}
		for _, w := range r.c.Beats(r.s.Now) {
			r.act(&w)
		}
	}
	r.flush()
}

func (r *rig) act(w *rule.Wish) {
	outcome, reason := Done, w.Reason
	if r.before != nil {
		outcome, reason = r.before(w)
		r.flush()
	}
	if err := r.c.Still(w, r.s.Now); err != nil {
		r.c.Acted(w, Skipped, err.Error(), r.s.Now)
		return
	}
	if outcome != Done {
		r.c.Acted(w, outcome, reason, r.s.Now)
		return
	}
	r.sent = append(r.sent, sentBeat{r.s.Now.Sub(script.Start), w.Conn.Socket, w.Action, w.Probe.Idle})
	conn := r.conns[w.Conn.Socket]
	switch w.Action {
	case rule.KeepaliveCRLF:
		if conn.SeqOut != w.Seq {
			r.t.Fatalf("a ping at %d, where the stream is at %d", w.Seq, conn.SeqOut)
		}
		conn.Out("\r\n\r\n")
		r.s.Last().Own = true
		if r.pong != nil {
			r.pong(conn)
		}
	case rule.KeepaliveSTUN:
		conn.Out(bindingOf(0x0001, w.ID, 0))
		r.s.Last().Own = true
		if r.stun != nil {
			r.stun(conn, w.ID)
		}
	}
	r.c.Acted(w, Done, reason, r.s.Now)
	r.flush()
}

// bindingOf is a STUN message, with the mapped port if that is not 0.
func bindingOf(kind uint16, id [12]byte, port uint16) string {
	b := binary.BigEndian.AppendUint16(nil, kind)
	n := uint16(0)
	if port != 0 {
		n = 12
	}
	b = binary.BigEndian.AppendUint16(b, n)
	b = binary.BigEndian.AppendUint32(b, 0x2112A442)
	b = append(b, id[:]...)
	if port != 0 {
		b = append(b, 0, 0x20, 0, 8, 0, 1)
		b = binary.BigEndian.AppendUint16(b, port^0x2112)
		b = append(b, 0x21^203, 0x12, 0xA4^113, 0x42^5)
	}
	return string(b)
}

// pongs answers pings after a while.
func (r *rig) pongs(after time.Duration) func(*script.Conn) {
	return func(conn *script.Conn) { r.after(after, func() { conn.In("\r\n") }) }
}

func (r *rig) report() *report.Report { return r.c.Report(r.s.Now) }

func (r *rig) noFindings(but ...string) {
	r.t.Helper()
next:
	for _, f := range r.report().Findings {
		for _, ok := range but {
			if f.Rule == ok {
				continue next
			}
		}
		r.t.Errorf("finding %s by %s: %s", f.Rule, f.Party, f.Evidence)
	}
}

// gaps are the times between what was sent, in seconds.
func (r *rig) gaps() (all []float64) {
	for i := 1; i < len(r.sent); i++ {
		all = append(all, (r.sent[i].at - r.sent[i-1].at).Seconds())
	}
	return all
}

var (
	keepRegister = script.Msg{Method: "REGISTER", Params: ";keep", CallID: "reg@example.com", More: "Expires: 3600\r\n"}
	agreedBy     = keeping(policy.Keepalive{Inject: policy.InjectAgreed}, policy.Enforce)
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

// TestFlowFails: a peer that answered falls silent.
func TestFlowFails(t *testing.T) {
	r := newRig(t, keeping(policy.Keepalive{Inject: policy.InjectAgreed, CloseOnFailure: true}, policy.Enforce))
	r.pong = r.pongs(50 * time.Millisecond)
	conn := r.tcp(event.Local, "192.0.2.1:40000", there)
	answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
	r.run(2 * time.Minute)
	r.noFindings("KEEP-07")
	r.pong = nil
	before := len(r.sent)
	r.run(time.Hour)
	r.noFindings("KEEP-07", "KEEP-09", "POL-08")
	if n := len(r.sent) - before; n < 5 || n > 12 {
		t.Errorf("%d pings to a peer that is gone, within an hour", n)
	}
	closes := 0
	for _, w := range r.c.Wishes(r.s.Now) {
		if w.Action == rule.Close {
			closes++
		}
	}
	if closes == 0 {
		t.Error("the failed flow is not to be closed")
	}
}

// TestNeverAnswers: linphone never answers; it is not dead for that.
func TestNeverAnswers(t *testing.T) {
	r := newRig(t, keeping(policy.Keepalive{Inject: policy.InjectAlways, Method: policy.MethodCRLF, Interval: 30 * time.Second, CloseOnFailure: true}, policy.Enforce))
	conn := r.tcp(event.Local, "192.0.2.1:40000", there)
	exchange(conn, event.Out, script.Msg{Method: "OPTIONS"})
	r.run(time.Hour)
	if n := len(r.sent); n < 120 {
		t.Errorf("%d pings in an hour", n)
	}
	r.noFindings()
	if due := r.c.Wishes(r.s.Now); len(due) != 0 {
		t.Errorf("wishes %+v", due)
	}
	if up := r.report().Connections[0].Upkeep; *up.Answered != "no" || up.State != "fine" {
		t.Errorf("upkeep %+v", up)
	}
}

// TestRestartKeeps: the next agent goes on, though nobody says a word, with what
// is known of peers and stops.
func TestRestartKeeps(t *testing.T) {
	for name, tt := range map[string]struct {
		udp, answers bool
		sent         int // within a minute after the restart
	}{
		"stream":                 {false, true, 3},
		"flow":                   {true, true, 3},
		"flow that was stopped":  {true, false, 0},
		"stream without answers": {false, false, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var r *rig
			var conn *script.Conn
			if tt.udp {
				r, conn = udpRig(t, policy.Keepalive{Inject: policy.InjectAgreed})
			} else {
				r = newRig(t, agreedBy)
				conn = r.tcp(event.Local, "192.0.2.1:40000", there)
				answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
			}
			if tt.answers {
				r.pong = r.pongs(time.Millisecond)
				r.stun = func(conn *script.Conn, id [12]byte) {
					conn.In(bindingOf(0x0101, id, 40000))
					r.s.Last().Own = true
				}
			}
			r.run(3 * time.Minute)
			text, err := saved.Encode(r.c.Save())
			if err != nil {
				t.Fatal(err)
			}
			state, err := saved.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			r.c, r.sent = New(Config{Started: r.s.Now, Policy: r.c.cfg.Policy}), nil
			r.c.Restore(state, r.s.Now)
			if tt.udp {
				e := conn.Event(event.Listening)
				e.Remote = netip.AddrPort{}
				e.Time = r.s.Now
				r.c.Handle(&e)
			} else {
				conn.MidLife()
			}
			r.run(time.Minute)
			if !tt.udp { // where its stream stands is not known, until the program speaks
				if len(r.sent) == 0 || r.sent[0].action != rule.KeepaliveTCP {
					t.Errorf("sent %+v", r.sent)
				}
				r.sent = nil
				exchangeOut(conn)
				r.run(time.Minute)
			}
			if n := len(r.sent); n < tt.sent-1 || n > tt.sent+1 || tt.sent == 0 && n > 0 {
				t.Errorf("%d keep-alives: %+v", n, r.sent)
			}
			if up := r.report().Connections[0].Upkeep; tt.sent == 0 && up.State != "stopped" {
				t.Errorf("upkeep %+v", up)
			}
			r.noFindings("KEEP-07", "KEEP-09", "KEEP-21", "KEEP-32")
		})
	}
}

func exchangeOut(conn *script.Conn) {
	exchange(conn, event.Out, script.Msg{Method: "OPTIONS", Branch: "later", CallID: "later@example.com"})
}

// TestStuck: a message that never ends, or bytes that nobody saw, do not end the
// keep-alives: the kernel sends them until the place in the stream is known again.
func TestStuck(t *testing.T) {
	for name, stick := range map[string]func(conn *script.Conn){
		"half a message": func(conn *script.Conn) { conn.Out("OPTIONS sip:a@example.com SIP/2.0\r\nX: ") },
		"bytes were lost": func(conn *script.Conn) {
			conn.SeqOut += 4
			conn.In("\r\n\r\n")
			conn.S.Last().Lost = true
			conn.Out("y\r\n\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, agreedBy)
			conn := r.tcp(event.Local, "192.0.2.1:40000", there)
			answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
			r.run(time.Second)
			stick(conn)
			r.run(2 * time.Minute)
			if len(r.sent) == 0 || r.sent[0].action != rule.KeepaliveTCP || r.sent[0].at > time.Minute {
				t.Fatalf("sent %+v", r.sent)
			}
			r.sent = nil
			conn.Out("z\r\n\r\n")
			exchangeOut(conn)
			r.run(2 * time.Minute)
			if n := len(r.sent); n < 3 || r.sent[n-1].action != rule.KeepaliveCRLF {
				t.Errorf("sent %+v", r.sent)
			}
		})
	}
}
