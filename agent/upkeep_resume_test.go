// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/saved"
	"github.com/viaduct-project/viaduct/internal/event"
)

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
