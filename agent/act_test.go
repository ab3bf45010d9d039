// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// strict is a policy whose ephemeral connections may idle for a minute.
func strict(m policy.Mode) *policy.Policy {
	p := &policy.Policy{Fallback: policy.Peer{
		Name: policy.Other, Enforce: m,
		Ephemeral:  policy.Ephemeral{IdleTimeout: time.Minute},
		Persistent: policy.Persistent{MaxConnections: -1},
	}}
	p.Compile()
	return p
}

const peerVia = "SIP/2.0/TCP 198.51.100.7:5060"

// drive gives a script to a core and lets it rest, second by second.
func drive(c *Core, s *script.Script, rest time.Duration) {
	for i := range s.Events {
		c.Handle(&s.Events[i])
	}
	s.Events = nil
	for end := s.Now.Add(rest); s.Now < end; s.Wait(time.Second) {
		c.Tick(s.Now)
	}
}

func TestIdleIsClosed(t *testing.T) {
	for _, tt := range []struct {
		mode    policy.Mode
		due     int
		outcome string // of the action reported before anything was done, "" for none
	}{
		{policy.Observe, 0, ""},
		{policy.DryRun, 0, "skipped"},
		{policy.Enforce, 1, ""},
	} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			s := script.New()
			conn := s.TCP(event.Remote, here, "198.51.100.7:40001").Open()
			exchange(conn, event.In, script.Msg{Method: "OPTIONS", Via: peerVia})
			c := New(Config{Started: script.Start, Policy: strict(tt.mode)})
			drive(c, s, 63*time.Second)
			due := c.Wishes(s.Now)
			if len(due) != tt.due {
				t.Fatalf("%d to do, want %d", len(due), tt.due)
			}
			r := c.Report(s.Now)
			if len(r.Findings) != 1 || r.Findings[0].Rule != "POL-02" {
				t.Errorf("findings %+v", r.Findings)
			}
			if got := len(r.Actions); (got > 0) != (tt.outcome != "") {
				t.Fatalf("actions %+v", r.Actions)
			}
			if tt.outcome != "" && (r.Actions[0].Outcome != tt.outcome || r.Actions[0].Mode != "dry-run" || r.Actions[0].Action != "close") {
				t.Errorf("action %+v", r.Actions[0])
			}
			if tt.due == 0 {
				return
			}
			w := &due[0]
			conn.FIN(event.Out)
			s.Last().ByAgent = true
			conn.Close(event.Local, event.FIN)
			c.Acted(w, Done, w.Reason, s.Now)
			drive(c, s, time.Second)
			r = c.Report(s.Now)
			if by := r.Connections[0].Close.By; by != "viaduct" {
				t.Errorf("closed by %s", by)
			}
			if len(r.Actions) != 1 || r.Actions[0].Outcome != "done" {
				t.Errorf("actions %+v", r.Actions)
			}
			if c.Metrics(s.Now).Peers[0].Actions[rule.Close][policy.Enforce][Done] != 1 {
				t.Error("the action was not counted")
			}
		})
	}
}

// TestStill: what must not be done, even though it was asked for.
func TestStill(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(s *script.Script, conn *script.Conn, c *Core)
		why  string
	}{
		{"nothing has changed", func(*script.Script, *script.Conn, *Core) {}, ""},
		{"a request came", func(s *script.Script, conn *script.Conn, _ *Core) {
			conn.In(script.Msg{Method: "INVITE", Branch: "late"}.String())
		}, "a transaction is pending"},
		{"a message came", func(s *script.Script, conn *script.Conn, _ *Core) {
			exchange(conn, event.In, script.Msg{Method: "OPTIONS", Branch: "late", CSeq: 2})
			s.Wait(5 * time.Second)
		}, "a message went 5s ago, less than 64*T1"},
		{"half a message came", func(s *script.Script, conn *script.Conn, _ *Core) {
			conn.In("OPTIONS sip:a@example.com SIP/2.0\r\nVia: ")
		}, "a message is under way"},
		{"a keep-alive came", func(s *script.Script, conn *script.Conn, _ *Core) { conn.In("\r\n\r\n") }, "the connection is in use again"},
		{"the peer closed", func(s *script.Script, conn *script.Conn, _ *Core) { conn.FIN(event.In) }, "the connection has ended"},
		{"the policy changed", func(_ *script.Script, _ *script.Conn, c *Core) { c.SetPolicy(strict(policy.DryRun)) }, "the policy is another one now"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			conn := s.TCP(event.Remote, here, "198.51.100.7:40001").Open()
			exchange(conn, event.In, script.Msg{Method: "OPTIONS", Via: peerVia})
			c := New(Config{Started: script.Start, Policy: strict(policy.Enforce)})
			drive(c, s, 63*time.Second)
			due := c.Wishes(s.Now)
			if len(due) != 1 {
				t.Fatalf("%d to do", len(due))
			}
			tt.play(s, conn, c)
			drive(c, s, 0)
			err := c.Still(&due[0], s.Now)
			if got := ""; err != nil {
				if got = err.Error(); got != tt.why {
					t.Errorf("%q, want %q", got, tt.why)
				}
			} else if tt.why != "" {
				t.Errorf("it may be done, though %s", tt.why)
			}
		})
	}
}

// TestBudget: no more closes in a minute than allowed; the others wait.
func TestBudget(t *testing.T) {
	s := script.New()
	for range 10 {
		exchange(s.TCP(event.Remote, here, "198.51.100.7:40001").Open(), event.In, script.Msg{Method: "OPTIONS", Via: peerVia})
	}
	c := New(Config{Started: script.Start, Policy: strict(policy.Enforce), ClosesPerMinute: 4})
	drive(c, s, 63*time.Second)
	done := make(map[uint64]bool)
	for minute := range 3 {
		due := c.Wishes(s.Now)
		if want := []int{4, 4, 2}[minute]; len(due) != want {
			t.Fatalf("minute %d: %d to do, want %d", minute, len(due), want)
		}
		for i := range due {
			if done[due[i].Conn.ID] {
				t.Errorf("connection %d a second time", due[i].Conn.ID)
			}
			done[due[i].Conn.ID] = true
			e := event.Event{Kind: event.Closed, Transport: event.TCP, Socket: due[i].Conn.Socket, Remote: due[i].Conn.Remote, Time: s.Now, By: event.Local, How: event.FIN, ByAgent: true}
			c.Handle(&e)
			c.Acted(&due[i], Done, "", s.Now)
		}
		drive(c, s, 61*time.Second)
	}
}

// TestProtect: a connection that is to last is protected, again and again, and
// another one is not.
func TestProtect(t *testing.T) {
	p := strict(policy.Enforce)
	p.Fallback.Ephemeral = policy.Ephemeral{}
	p.Fallback.Persistent.TCPKeepalive = policy.TCPKeepalive{Idle: time.Minute, Interval: 10 * time.Second, Probes: 6}
	s := script.New()
	offered := s.TCP(event.Remote, here, "198.51.100.7:40001").Open()
	exchange(offered, event.In, script.Msg{Method: "OPTIONS", Params: ";persistent", More: "Supported: persistence\r\n"})
	exchange(s.TCP(event.Remote, here, "198.51.100.8:40001").Open(), event.In, script.Msg{Method: "OPTIONS", Via: peerVia})
	c := New(Config{Started: script.Start, Policy: p})
	drive(c, s, 2*time.Second)
	for range 3 {
		due := c.Wishes(s.Now)
		if len(due) != 1 || due[0].Action != rule.Protect || due[0].Conn.Socket != offered.Socket {
			t.Fatalf("to do: %+v", due)
		}
		c.Acted(&due[0], Done, "", s.Now)
		drive(c, s, 50*time.Second)
		if due := c.Wishes(s.Now); len(due) != 0 {
			t.Fatalf("to do again too soon: %+v", due)
		}
		drive(c, s, 12*time.Second)
	}
}

// TestSurplusIsClosed: one persistent connection too many goes 64*T1 after its
// last message, not later, and again as long as it stands.
func TestSurplusIsClosed(t *testing.T) {
	p := strict(policy.Enforce)
	p.Fallback.Ephemeral = policy.Ephemeral{}
	p.Fallback.Persistent.MaxConnections = 1
	offer := script.Msg{Method: "OPTIONS", Params: ";persistent", More: "Supported: persistence\r\n"}
	s := script.New()
	exchange(s.TCP(event.Remote, here, "198.51.100.7:40001").Open(), event.In, offer)
	surplus := s.TCP(event.Remote, here, "198.51.100.7:40002").Open()
	exchange(surplus, event.In, offer)
	s.Wait(5 * time.Second)
	exchange(surplus, event.In, offer)
	c := New(Config{Started: script.Start, Policy: p})
	drive(c, s, rest-2*time.Second)
	if due := c.Wishes(s.Now); len(due) != 0 {
		t.Fatalf("to do too soon: %+v", due)
	}
	for range 2 {
		drive(c, s, 4*time.Second)
		if due := c.Wishes(s.Now); len(due) != 1 || due[0].Conn.Socket != surplus.Socket || c.Still(&due[0], s.Now) != nil {
			t.Fatalf("to do: %+v", due)
		}
		drive(c, s, rest-2*time.Second)
	}
}

// TestOlderWaits: what was asked before the observation began may still be
// pending, an INVITE for minutes.
func TestOlderWaits(t *testing.T) {
	s := script.New()
	conn := s.TCP(event.Remote, here, "198.51.100.7:40001").MidLife()
	conn.In("\r\n\r\n")
	c := New(Config{Started: script.Start, Policy: strict(policy.Enforce)})
	drive(c, s, 200*time.Second)
	if due := c.Wishes(s.Now); len(due) != 0 {
		t.Fatalf("after %v: %+v", s.Now.Sub(script.Start), due)
	}
	drive(c, s, 100*time.Second)
	if due := c.Wishes(s.Now); len(due) != 1 {
		t.Fatalf("after %v: %+v", s.Now.Sub(script.Start), due)
	}
}
