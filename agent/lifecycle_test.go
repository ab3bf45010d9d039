// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/internal/event"
)

func TestEndings(t *testing.T) {
	options := script.Msg{Method: "OPTIONS"}
	for _, tt := range []struct {
		name string
		play func(s *script.Script, c *script.Conn)
		want string // close
	}{
		{"open", func(s *script.Script, c *script.Conn) {
			exchange(c.Open(), event.Out, options)
		}, `null`},
		{"FIN by remote", func(s *script.Script, c *script.Conn) {
			exchange(c.Open(), event.Out, options)
			s.Wait(3 * time.Second)
			c.FIN(event.In)
			s.Wait(time.Second)
			c.FIN(event.Out) // a second one changes nothing
			c.Close(event.Remote, event.FIN)
		}, `{"by":"remote","how":"fin","idle_seconds":3,"pending_transactions":0,"exiting":false}`},
		{"FIN by local", func(s *script.Script, c *script.Conn) {
			exchange(c.Open(), event.Out, options)
			s.Wait(4 * time.Second)
			c.FIN(event.Out)
			c.Close(event.Local, event.FIN)
		}, `{"by":"local","how":"fin","idle_seconds":4,"pending_transactions":0,"exiting":false}`},
		{"half-closed and still talking", func(s *script.Script, c *script.Conn) {
			c.Open().Out(options.String())
			s.Wait(time.Second)
			c.FIN(event.Out)
			s.Wait(time.Second)
			c.In(options.Reply(200).String())
		}, `{"by":"local","how":"fin","idle_seconds":1,"pending_transactions":1,"exiting":false}`},
		{"FIN without HalfClosed", func(s *script.Script, c *script.Conn) {
			exchange(c.Open(), event.Out, options)
			s.Wait(5 * time.Second)
			c.Close(event.Local, event.FIN)
		}, `{"by":"local","how":"fin","idle_seconds":5,"pending_transactions":0,"exiting":false}`},
		{"RST by local in mid-transaction", func(s *script.Script, c *script.Conn) {
			c.Open().In(options.String())
			s.Wait(time.Second)
			c.Close(event.Local, event.RST)
		}, `{"by":"local","how":"rst","idle_seconds":1,"pending_transactions":1,"exiting":false}`},
		{"RST by remote after the FIN of local", func(s *script.Script, c *script.Conn) {
			c.Open()
			s.Wait(time.Second)
			c.FIN(event.Out)
			c.Close(event.Remote, event.RST)
		}, `{"by":"local","how":"fin","idle_seconds":1,"pending_transactions":0,"exiting":false}`},
		{"established and timed out", func(s *script.Script, c *script.Conn) {
			c.Open().Out(options.String())
			s.Wait(40 * time.Second)
			c.Close(event.Local, event.Timeout)
		}, `{"by":"local","how":"timeout","idle_seconds":40,"pending_transactions":0,"exiting":false}`},
		{"never a byte", func(s *script.Script, c *script.Conn) {
			c.Open()
			s.Wait(26 * time.Second)
			c.FIN(event.In)
			c.Close(event.Remote, event.FIN)
		}, `{"by":"remote","how":"fin","idle_seconds":26,"pending_transactions":0,"exiting":false}`},
		{"attached late, never a byte", func(s *script.Script, c *script.Conn) {
			c.MidLife()
			s.Wait(26 * time.Second)
			c.FIN(event.In)
			c.Close(event.Remote, event.FIN)
			s.Last().MidLife = true
		}, `{"by":"remote","how":"fin","idle_seconds":null,"pending_transactions":0,"exiting":false}`},
		{"attached late, the kernel knows", func(s *script.Script, c *script.Conn) {
			c.MidLife()
			s.Wait(26 * time.Second)
			c.FIN(event.In)
			s.Wait(time.Second)
			c.Close(event.Remote, event.FIN)
			s.Last().MidLife, s.Last().IdleIn = true, 61*time.Second
		}, `{"by":"remote","how":"fin","idle_seconds":60,"pending_transactions":0,"exiting":false}`},
		{"unknown", func(s *script.Script, c *script.Conn) {
			c.Open()
			s.Wait(time.Second)
			c.Close(event.Unknown, event.Expired)
		}, `{"by":"unknown","how":"expired","idle_seconds":1,"pending_transactions":0,"exiting":false}`},
		{"INVITE ringing", func(s *script.Script, c *script.Conn) {
			m := script.Msg{Method: "INVITE"}
			c.Open().Out(m.String())
			s.Wait(time.Second)
			c.In(m.Reply(180).String())
			s.Wait(2 * time.Minute)
			c.FIN(event.In)
			c.Close(event.Remote, event.FIN)
		}, `{"by":"remote","how":"fin","idle_seconds":120,"pending_transactions":1,"exiting":false}`},
		{"INVITE given up", func(s *script.Script, c *script.Conn) {
			c.Open().Out(script.Msg{Method: "INVITE"}.String())
			s.Wait(33 * time.Second)
			c.FIN(event.In)
			c.Close(event.Remote, event.FIN)
		}, `{"by":"remote","how":"fin","idle_seconds":33,"pending_transactions":0,"exiting":false}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			tt.play(s, s.TCP(event.Local, "192.0.2.1:40000", there))
			_, r := play(t, s)
			if len(r.Connections) != 1 {
				t.Fatalf("%d connections", len(r.Connections))
			}
			equalJSON(t, r.Connections[0].Close, tt.want)
		})
	}
}

func TestFailedConnects(t *testing.T) {
	for how, name := range map[event.How]string{event.Refused: "refused", event.Timeout: "timeout", event.Unreachable: "unreachable"} {
		s := script.New()
		c := s.TCP(event.Local, "192.0.2.1:40000", there)
		c.Close(event.Unknown, how)
		s.Last().OpenedAt = script.Start
		s.Events = append(s.Events, s.Events[0]) // twice
		core, r := play(t, s)
		if len(r.Connections) != 1 {
			t.Fatalf("%d connections", len(r.Connections))
		}
		l := r.Connections[0]
		if l.Opened != nil || l.Closed == nil || *l.Close.How != name || l.Initiator != "local" || l.Class.Because[0] != "never established" {
			t.Errorf("%s: %+v", name, l)
		}
		m := core.Metrics(s.Now)
		if m.Peers[0].Failures[how] != 1 || m.Peers[0].Closed != ([metrics.Transports][metrics.Closers][metrics.Hows]uint64{}) || r.Peers[0].ConnectFailures != 1 || r.Peers[0].ConnectionsOpened != 0 {
			t.Errorf("%s: failures %v, closed %v, peer %+v", name, m.Peers[0].Failures, m.Peers[0].Closed, r.Peers[0])
		}
	}
}

// TestMissingAndDoubleRecords: what one record lost is told by another, and
// what comes twice counts once.
func TestMissingAndDoubleRecords(t *testing.T) {
	options := script.Msg{Method: "OPTIONS"}
	opened := script.Start.Go().Format(time.RFC3339)
	for _, tt := range []struct {
		name   string
		play   func(s *script.Script, c *script.Conn)
		opened string
		total  uint64 // opened
		class  string
	}{
		{"plain", func(s *script.Script, c *script.Conn) {
			exchange(c.Open(), event.Out, options)
		}, opened, 1, "unidirectional-ephemeral"},
		{"everything twice", func(s *script.Script, c *script.Conn) {
			exchange(c.Open(), event.Out, options)
			c.FIN(event.In)
			c.Close(event.Remote, event.FIN)
			s.Events = slices.Concat(s.Events, s.Events)
		}, opened, 1, "unidirectional-ephemeral"},
		{"Opened lost", func(s *script.Script, c *script.Conn) {
			c.Open()
			s.Events = nil
			exchange(c, event.Out, options)
			c.Close(event.Remote, event.FIN)
		}, opened, 1, "unidirectional-ephemeral"},
		{"all but Closed lost", func(s *script.Script, c *script.Conn) {
			c.Open()
			s.Events = nil
			c.Close(event.Remote, event.FIN)
		}, opened, 1, "undetermined"},
		{"Opened late", func(s *script.Script, c *script.Conn) {
			c.Open()
			exchange(c, event.Out, options)
			s.Events = append(s.Events[1:], s.Events[0])
		}, opened, 1, "unidirectional-ephemeral"},
		{"scan finds a live one again", func(s *script.Script, c *script.Conn) {
			exchange(c.Open(), event.Out, options)
			c.MidLife()
		}, opened, 1, "unidirectional-ephemeral"},
		{"scan first, then its Opened", func(s *script.Script, c *script.Conn) {
			c.MidLife()
			exchange(c.Open(), event.Out, options)
		}, opened, 1, "unidirectional-ephemeral"},
		{"data after Closed", func(s *script.Script, c *script.Conn) {
			c.Open()
			c.Close(event.Remote, event.FIN)
			s.Wait(time.Second)
			exchange(c, event.Out, options)
		}, opened, 1, "unidirectional-ephemeral"},
		{"data only", func(s *script.Script, c *script.Conn) {
			exchange(c, event.Out, options)
		}, "", 0, "undetermined"},
		{"FIN only", func(s *script.Script, c *script.Conn) {
			c.FIN(event.In)
		}, "", 0, "undetermined"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			tt.play(s, s.TCP(event.Local, "192.0.2.1:40000", there))
			c, r := play(t, s)
			if len(r.Connections) != 1 {
				t.Fatalf("%d connections", len(r.Connections))
			}
			l := r.Connections[0]
			got := ""
			if l.Opened != nil {
				got = l.Opened.Format(time.RFC3339)
			}
			if got != tt.opened || l.Class.Observed != tt.class {
				t.Errorf("opened %q, class %+v; want %q, %s", got, l.Class, tt.opened, tt.class)
			}
			m := c.Metrics(s.Now)
			total := m.Peers[0].Opened[event.TCP][0] + m.Peers[0].Opened[event.TCP][1] + m.Peers[0].Opened[event.TCP][2]
			if total != tt.total {
				t.Errorf("%d opened, want %d", total, tt.total)
			}
			if tt.name != "all but Closed lost" && tt.name != "FIN only" && (l.Messages.RequestsSent != 1 || l.Messages.Retransmissions != 0) {
				t.Errorf("messages %+v", l.Messages)
			}
		})
	}
}

// TestOnlyTheCloseIsLeft: bytes that the kernel counted and nobody saw are
// lost, also when nothing else of the connection was seen.
func TestOnlyTheCloseIsLeft(t *testing.T) {
	for _, tt := range []struct {
		transport event.Transport
		lost      uint64
	}{{event.TCP, 1400}, {event.TLS, 0}} { // of TLS no bytes are given
		s := script.New()
		c := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
		s.Events = nil
		c.Transport = tt.transport
		c.Close(event.Remote, event.FIN)
		s.Last().Counts = event.Counts{BytesSent: 900, BytesReceived: 500}
		s.Wait(time.Minute)
		_, r := play(t, s)
		l := r.Connections[0]
		if l.LostBytes != tt.lost || r.Lost.SequenceGapBytes != tt.lost || l.Incomplete != (tt.lost > 0) || l.BytesSent != 900 || l.BytesReceived != 500 {
			t.Errorf("transport %d: %d bytes lost, incomplete %t", tt.transport, l.LostBytes, l.Incomplete)
		}
	}
}

// TestEarlyData: bytes on the last ACK of the handshake carry the listener's
// socket, and belong to the connection with their addresses.
func TestEarlyData(t *testing.T) {
	first := script.Msg{Method: "OPTIONS", Branch: "first"}.String()
	second := script.Msg{Method: "OPTIONS", Branch: "second"}.String()
	for _, tt := range []struct {
		name      string
		order     []int // of: early data, Opened, second request
		wait      time.Duration
		requests  uint32
		unclaimed uint64
	}{
		{"before Opened", []int{0, 1, 2}, 0, 2, 0},
		{"after Opened", []int{1, 0, 2}, 0, 2, 0},
		{"after the next segment", []int{1, 2, 0}, 0, 2, 0},
		{"twice", []int{0, 0, 1, 2}, 0, 2, 0},
		{"never opened", []int{0}, 6 * time.Second, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			c := s.TCP(event.Remote, here, "198.51.100.7:40000").Open()
			opened := s.Events[0]
			c.In(first)
			early := s.Events[1]
			early.Socket = 0
			c.In(second)
			events := []event.Event{early, opened, s.Events[2]}
			s.Events = nil
			for _, i := range tt.order {
				s.Events = append(s.Events, events[i])
			}
			s.Wait(tt.wait)
			core, r := play(t, s)
			if r.Lost.Unclaimed != tt.unclaimed || r.Lost.SequenceGaps != 0 {
				t.Errorf("lost %+v", r.Lost)
			}
			if got := core.counters.Messages[event.TCP][event.In][0][6]; uint32(got) != tt.requests {
				t.Errorf("%d requests, want %d", got, tt.requests)
			}
			if len(r.Connections) > 1 || tt.requests > 0 && len(r.Connections) == 0 {
				t.Errorf("%d connections", len(r.Connections))
			}
		})
	}
}

// TestExiting: who gives up its listeners is shutting down, and so is a
// process that the kernel says is exiting.
func TestExiting(t *testing.T) {
	for _, tt := range []struct {
		name     string
		listener bool
		wait     time.Duration
		by       event.Side
		exiting  bool // as the source says
		want     bool
	}{
		{name: "meant", by: event.Local},
		{name: "the kernel says so", by: event.Local, exiting: true, want: true},
		{name: "listener closed just before", by: event.Local, listener: true, wait: time.Second, want: true},
		{name: "listener closed long before", by: event.Local, listener: true, wait: time.Minute},
		{name: "the peer closed", by: event.Remote, listener: true, wait: time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			l := s.TCP(event.Unknown, "192.0.2.1:5060", "0.0.0.0:0")
			conn := s.TCP(event.Remote, "192.0.2.1:5060", "198.51.100.7:40001").Open()
			listening, closed := l.Event(event.Listening), l.Event(event.Closed)
			listening.Time, closed.Time = s.Now, s.Now
			c := New(Config{Started: script.Start})
			c.Handle(&listening)
			if tt.listener {
				c.Handle(&closed)
			}
			s.Wait(tt.wait)
			conn.Close(tt.by, event.FIN)
			s.Last().Exiting = tt.exiting
			for i := range s.Events {
				c.Handle(&s.Events[i])
			}
			r := c.Report(s.Now)
			if got := r.Connections[0].Close.Exiting; got != tt.want {
				t.Errorf("exiting is %t", got)
			}
		})
	}
}
