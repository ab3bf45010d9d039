// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/internal/event"
)

// A counter must never fall, so what a connection adds is there while it is
// open, while it lingers and when it is retired.
func TestUnansweredInMetrics(t *testing.T) {
	const binding = "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"
	for _, tt := range []struct {
		name string
		kind keepalive.Kind
		play func(s *script.Script) *script.Conn
	}{
		{"ping on a stream", keepalive.Ping, func(s *script.Script) *script.Conn {
			c := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
			c.Out("\r\n\r\n")
			return c
		}},
		{"binding request", keepalive.StunRequest, func(s *script.Script) *script.Conn {
			c := s.UDP(here, there)
			c.Out(binding)
			return c
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			conn := tt.play(s)
			core := New(Config{Started: script.Start})
			step := func(wait time.Duration, want uint64) {
				t.Helper()
				s.Wait(wait)
				for i := range s.Events {
					core.Handle(&s.Events[i])
				}
				s.Events = nil
				core.Tick(s.Now)
				got := core.Metrics(s.Now).Peers[0].Unanswered
				if got[tt.kind] != want {
					t.Errorf("%d unanswered after %v, want %d", got[tt.kind], s.Now.Sub(script.Start), want)
				}
				got[tt.kind] = 0
				if got != [keepalive.Kinds]uint64{} {
					t.Errorf("unanswered of other kinds: %v", got)
				}
			}
			step(time.Second, 0)
			step(time.Minute, 1)
			conn.Close(event.Remote, event.FIN)
			step(0, 1)
			step(10*time.Minute, 1)
		})
	}
}

func TestMissedClosesInMetrics(t *testing.T) {
	s := script.New()
	s.TCP(event.Local, "192.0.2.1:40000", there).Open()
	core, _ := play(t, s)
	for range 2 {
		s.Wait(15 * time.Second)
		core.Recount(func(uint64) bool { return false }, s.Now)
	}
	if m := core.Metrics(s.Now); m.Missed != 1 {
		t.Errorf("%d missed closes, want 1", m.Missed)
	}
}
