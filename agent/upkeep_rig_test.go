// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
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
