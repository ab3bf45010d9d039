// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

func marks(h *report.History) string {
	if h == nil {
		return "none"
	}
	var all []string
	for _, m := range h.Marks {
		what := fmt.Sprintf("%g %s %s", m.At, m.From, m.Kind)
		if m.Method != "" {
			what += " " + m.Method
		}
		if m.Status != 0 {
			what += fmt.Sprint(" ", m.Status)
		}
		if m.Again {
			what += " again"
		}
		all = append(all, what)
	}
	return strings.Join(all, "\n")
}

// TestHistory: what the report says went over a connection, and when.
func TestHistory(t *testing.T) {
	s := script.New()
	conn := s.TCP(event.Remote, here, there).Open()
	m := script.Msg{Method: "REGISTER", Params: ";keep"}
	s.Wait(20 * time.Millisecond)
	conn.In(m.String())
	s.Wait(time.Second)
	conn.In(m.String())
	conn.Out(m.Reply(200).String())
	s.Wait(30 * time.Second)
	conn.In("\r\n\r\n")
	s.Wait(5 * time.Millisecond)
	conn.Out("\r\n")
	s.Wait(2 * time.Second)
	conn.Out("\r\n\r\n")
	s.Last().Own = true
	flow := s.UDP(here, there)
	flow.In("\r\n\r\n")
	flow.In("\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl")
	flow.Out("\x01\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl")
	s.Wait(2 * time.Second)

	c := New(Config{MaxHistory: 1 << 20})
	for i := range s.Events {
		c.Handle(&s.Events[i])
	}
	r := c.Report(s.Now)
	for i, want := range []string{
		"0.02 remote request REGISTER\n1.02 remote request REGISTER again\n1.02 local response REGISTER 200\n" +
			"31.02 remote ping\n31.025 local pong\n33.025 local injected",
		"0 remote ping\n0 remote stun-request\n0 local stun-response",
	} {
		if got := marks(r.Connections[i].History); got != want {
			t.Errorf("connection %d:\n%s\nwant\n%s", i, got, want)
		}
	}
	if got := r.Connections[0].History; !got.Since.Equal(*r.Connections[0].Opened) || got.LeftOut != 0 {
		t.Errorf("%+v", got)
	}
	if _, r := play(t, s); r.Connections[0].History != nil {
		t.Error("a history that nobody has asked for")
	}
}

// TestHistoryIsBounded: who closed first is forgotten first, and what is open
// has room.
func TestHistoryIsBounded(t *testing.T) {
	c, s := New(Config{MaxHistory: 10_000, MaxClosed: 300}), script.New()
	play := func() {
		for i := range s.Events {
			c.Handle(&s.Events[i])
		}
		s.Events = s.Events[:0]
		if c.past.Used > c.past.Limit {
			t.Fatalf("%d bytes of %d", c.past.Used, c.past.Limit)
		}
	}
	for n := range 1000 {
		conn := s.TCP(event.Remote, here, there)
		conn.Remote = address(n)
		exchange(conn.Open(), event.In, script.Msg{Method: "OPTIONS"})
		conn.FIN(event.In)
		conn.Close(event.Remote, event.FIN)
		s.Wait(time.Second)
		play()
		c.Tick(s.Now)
	}
	r := c.Report(s.Now.Add(linger))
	known := 0
	for i, line := range r.Connections {
		if line.History != nil {
			known++
		} else if known > 0 {
			t.Fatalf("the history of connection %d is gone, that of an earlier one is not", i)
		}
	}
	if known < 50 || known > 250 {
		t.Errorf("%d of %d connections have a history", known, len(r.Connections))
	}
	if c.evicted.Marks == 0 || r.Lost.Evicted < c.evicted.Marks {
		t.Error("nothing says that some was dropped")
	}
}
