// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	here  = "192.0.2.1:5060"
	there = "198.51.100.7:5060"
)

// play gives a script to a new core, with a tick after every event.
func play(t *testing.T, s *script.Script) (*Core, *report.Report) {
	t.Helper()
	c := New(Config{Started: script.Start})
	for i := range s.Events {
		c.Handle(&s.Events[i])
		c.Tick(s.Events[i].Time)
	}
	return c, c.Report(s.Now)
}

// exchange is a request of d's sender and its 200.
func exchange(c *script.Conn, d event.Direction, m script.Msg) {
	c.Data(d, m.String())
	c.Data(opposite(d), m.Reply(200).String())
}

func TestFirstCall(t *testing.T) {
	s := script.New()
	c := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
	s.Wait(10 * time.Millisecond)
	exchange(c, event.Out, script.Msg{Method: "OPTIONS"})
	s.Wait(12500 * time.Millisecond)
	c.FIN(event.In)
	s.Wait(time.Millisecond)
	c.Close(event.Remote, event.FIN)
	_, r := play(t, s)
	if len(r.Connections) != 1 {
		t.Fatalf("%d connections, want 1", len(r.Connections))
	}
	l := r.Connections[0]
	if l.Messages.RequestsSent != 1 || l.Messages.ResponsesReceived != 1 || l.Messages.Malformed != 0 {
		t.Errorf("messages %+v", l.Messages)
	}
	if l.Close == nil || l.Close.By != "remote" || *l.Close.How != "fin" || *l.Close.IdleSeconds != 12.5 || l.Close.PendingTransactions != 0 {
		t.Errorf("close %+v", l.Close)
	}
	if l.Class.Observed != "unidirectional-ephemeral" || l.Class.Because[0] != "requests only sent by local (1 of 1)" {
		t.Errorf("class %+v", l.Class)
	}
}
