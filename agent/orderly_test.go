// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestOrderly: a listener that is closed soon after a connection excuses it, if
// the two belong together.
func TestOrderly(t *testing.T) {
	const here = "192.0.2.1:5060"
	same := event.Process{PID: 4243, Name: "proxy"}
	for _, tt := range []struct {
		name     string
		by       event.Side
		owner    event.Process // of the connection
		netns    uint64        // of the connection
		listener string        // its port
		after    time.Duration // how long after the connection it is closed
		excused  bool
	}{
		{"same program, another process", event.Local, same, 1, "192.0.2.1:5070", time.Second, true},
		{"same process, another network namespace", event.Local, event.Process{PID: 4242, Name: "renamed"}, 2, here, time.Second, true},
		{"the port it was accepted at", event.Local, event.Process{PID: 1, Name: "worker"}, 1, here, time.Second, true},
		{"nobody known", event.Local, event.Process{}, 1, "192.0.2.1:5070", time.Second, false},
		{"the last moment", event.Local, same, 1, here, 4999 * time.Millisecond, true},
		{"too late", event.Local, same, 1, here, 5 * time.Second, false},
		{"by the peer", event.Remote, same, 1, here, time.Second, false},
		{"same program, another network namespace", event.Local, same, 2, here, time.Second, false},
	} {
		for _, tick := range []time.Duration{time.Millisecond, 10 * time.Second} {
			s := script.New()
			l := s.TCP(event.Unknown, tt.listener, "0.0.0.0:0")
			l.NetNS = 1
			listening, gone := l.Event(event.Listening), l.Event(event.Closed)
			c := s.TCP(event.Remote, here, "198.51.100.7:40001")
			c.Owner, c.NetNS = tt.owner, tt.netns
			other := s.TCP(event.Unknown, "192.0.2.1:5080", "0.0.0.0:0") // so that something listens in both
			other.NetNS, other.Owner = 2, event.Process{}
			elsewhere := other.Event(event.Listening)

			listening.Time, elsewhere.Time = s.Now, s.Now
			s.Events = append(s.Events, listening, elsewhere)
			exchange(c.Open(), event.In, script.Msg{Method: "OPTIONS"})
			s.Wait(time.Second)
			c.Close(tt.by, event.FIN)
			closed := s.Now
			s.Wait(tt.after)
			gone.Time = s.Now
			s.Events = append(s.Events, gone)

			core := New(Config{Started: script.Start})
			for i := range s.Events {
				core.Handle(&s.Events[i])
			}
			for d := tick; d <= 10*time.Second; d += tick {
				core.Tick(closed.Add(d))
			}
			r := core.Report(s.Now.Add(10 * time.Second))
			if found := tooEarly(r) > 0; found == tt.excused || r.Connections[0].Close.Exiting != tt.excused {
				t.Errorf("%s, ticks every %s: exiting is %t, findings %s", tt.name, tick, r.Connections[0].Close.Exiting, findings(r))
			}
		}
	}
}

// tooEarly is how often r says that a connection was closed too early.
func tooEarly(r *report.Report) uint32 {
	for i := range r.Findings {
		if r.Findings[i].Rule == "TP-01" {
			return r.Findings[i].Count
		}
	}
	return 0
}

// TestOrderlyAtTheEnd: what waits for an excuse is raised when none can come,
// and the oldest when too many wait.
func TestOrderlyAtTheEnd(t *testing.T) {
	for _, tt := range []struct{ closes, atOnce uint32 }{{1, 0}, {11_000, 1_000}} {
		s := script.New()
		l := s.TCP(event.Unknown, "192.0.2.1:5060", "0.0.0.0:0")
		listening := l.Event(event.Listening)
		listening.Time = s.Now
		s.Events = append(s.Events, listening)
		for i := range tt.closes {
			c := s.TCP(event.Remote, "192.0.2.1:5060", "198.51.100.7:40001")
			exchange(c.Open(), event.In, script.Msg{Method: "OPTIONS", Via: "SIP/2.0/TCP 198.51.100.7", Branch: fmt.Sprint(i)})
			c.Close(event.Local, event.FIN)
		}
		core, r := play(t, s)
		if n := tooEarly(r); n != tt.atOnce {
			t.Errorf("%d at once, want %d", n, tt.atOnce)
		}
		core.Finish(s.Now)
		if n := tooEarly(core.Report(s.Now)); n != tt.closes {
			t.Errorf("%d at the end, want %d", n, tt.closes)
		}
	}
}
