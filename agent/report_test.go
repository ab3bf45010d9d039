// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/internal/event"
)

var update = flag.Bool("update", false, "write the golden files")

// day is a script of one connection of each kind, with figures of the kernel.
func day() *script.Script {
	s := script.New()
	phone := s.TCP(event.Remote, here, "198.51.100.20:40001").Open()
	answer(phone, event.In, script.Msg{Method: "REGISTER", Params: ";keep;alias", More: "Supported: outbound, path\r\n" +
		`Contact: <sip:a@198.51.100.20>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>"` + "\r\n"},
		200, ";keep=30;alias", "Require: outbound\r\nFlow-Timer: 30\r\nExpires: 600\r\n")
	for _, wait := range []time.Duration{25, 29, 27} {
		s.Wait(wait * time.Second)
		phone.In("\r\n\r\n")
		s.Wait(2 * time.Millisecond)
		phone.Out("\r\n")
	}
	trunk := s.TCP(event.Local, "192.0.2.1:40002", there).Open()
	invite := script.Msg{Method: "INVITE", Params: ";persistent", Branch: "inv", More: "Require: persistence\r\nPersistent-Timeout: 3600\r\n"}
	exchange(trunk, event.Out, invite)
	s.Wait(10 * time.Second)
	exchange(trunk, event.Out, script.Msg{Method: "BYE", Branch: "bye", CSeq: 2, To: "t1"})
	trunk.Out(script.Msg{Method: "OPTIONS", Branch: "opt", CSeq: 3}.String())
	s.Wait(time.Second)
	trunk.Close(event.Remote, event.RST)
	s.Last().Counts = event.Counts{BytesSent: 900, BytesReceived: 500, Retransmits: 2, SRTT: 20 * time.Millisecond}
	s.TCP(event.Local, "192.0.2.1:40003", "198.51.100.8:5060").Close(event.Unknown, event.Refused)
	s.TCP(event.Unknown, here, "198.51.100.9:40004").MidLife()
	exchange(s.UDP("[2001:db8::1]:5060", "[2001:db8::2]:5060"), event.In, script.Msg{Method: "OPTIONS", Via: "SIP/2.0/UDP [2001:db8::2]"})
	s.Wait(20 * time.Second)
	return s
}

// TestReportJSON is the form that users script against.
func TestReportJSON(t *testing.T) {
	_, r := play(t, day())
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/report.json"
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("not as in %s: %s", file, diff(string(want), b.String()))
	}
}

func TestMetrics(t *testing.T) {
	s := day()
	c, _ := play(t, s)
	c.SetLost(Lost{RingFull: 3, MapFull: 2, QueueOverrun: 1})
	m := c.Metrics(s.Now)
	got := map[string]any{
		"phone":     m.Peers[0].Connections[event.TCP][class.Persistent][event.Remote],
		"late":      m.Peers[0].Connections[event.TCP][class.Undetermined][event.Unknown],
		"flow":      m.Peers[0].Connections[event.UDP][class.Unidirectional][event.Remote],
		"trunk":     m.Peers[0].Connections[event.TCP][class.Persistent][event.Local], // closed
		"accepted":  m.Peers[0].Opened[event.TCP][event.Remote],
		"opened":    m.Peers[0].Opened[event.TCP][event.Local],
		"flows":     m.Peers[0].Opened[event.UDP][event.Remote],
		"rst":       m.Peers[0].Closed[event.TCP][event.Remote][event.RST],
		"refused":   m.Peers[0].Failures[event.Refused],
		"pings":     m.Peers[0].Keepalives[metrics.Application][keepalive.Ping][event.In],
		"pongs":     m.Peers[0].Keepalives[metrics.Application][keepalive.Pong][event.Out],
		"registers": m.Messages[event.TCP][event.In][metrics.Request][5],
		"answers":   m.Messages[event.UDP][event.Out][metrics.Response][6],
		"handshake": m.Peers[0].Handshake.Count(),
		"lifetime":  m.Peers[0].Lifetime.Sum,
		"idle":      m.Peers[0].IdleAtClose[event.Remote].Sum,
		"requests":  m.Peers[0].Requests.Sum,
		"ring":      m.Lost.RingFull + m.Lost.MapFull + m.Lost.QueueOverrun,
		"data":      m.Events[event.Data] > 10,
	}
	want := map[string]any{
		"phone": 1, "late": 1, "flow": 1, "trunk": 0, "accepted": uint64(1), "opened": uint64(1), "flows": uint64(1),
		"rst": uint64(1), "refused": uint64(1), "pings": uint64(3), "pongs": uint64(3), "registers": uint64(1), "answers": uint64(1),
		"handshake": uint64(2), "lifetime": 11.0, "idle": 1.0, "requests": 3.0, "ring": uint64(6), "data": true,
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
	}
	// A snapshot does not change any more.
	before := m.Peers[0].Handshake.Count()
	e := s.TCP(event.Local, "192.0.2.1:45000", there).Open()
	_ = e
	c.Handle(s.Last())
	if m.Peers[0].Handshake.Count() != before || c.Metrics(s.Now).Peers[0].Handshake.Count() != before+1 {
		t.Error("the snapshot is not a copy")
	}
}

// TestSlowSender: a message that dribbles is one all the same; only a CRLF
// between messages depends on the time.
func TestSlowSender(t *testing.T) {
	s := script.New()
	c := s.TCP(event.Remote, here, "198.51.100.7:40000").Open()
	for range 2 {
		for _, b := range (script.Msg{Method: "OPTIONS", Body: "\r\n\r\n"}).String() {
			c.In(string(b))
			s.Wait(1500 * time.Millisecond)
		}
		c.In("\r\n")
		s.Wait(1500 * time.Millisecond)
		c.In("\r\n")
		s.Wait(1500 * time.Millisecond)
	}
	_, r := play(t, s)
	l := r.Connections[0]
	if l.Messages.RequestsReceived != 2 || l.Messages.Malformed != 0 || l.Keepalives.PingsReceived != 0 {
		t.Errorf("messages %+v, keep-alives %+v", l.Messages, l.Keepalives)
	}
}

func TestSubscriptions(t *testing.T) {
	subscribe := script.Msg{Method: "SUBSCRIBE", Branch: "sub", CallID: "sub@example.com"}
	options := script.Msg{Method: "OPTIONS"}
	const outlived = "used again after a dialog on it had ended (1 ended)"
	for _, tt := range []struct {
		name string
		play func(s *script.Script, c *script.Conn)
		want bool
	}{
		{"runs", func(s *script.Script, c *script.Conn) { s.Wait(59 * time.Second) }, false},
		{"runs out", func(s *script.Script, c *script.Conn) { s.Wait(61 * time.Second) }, true},
		{"is renewed", func(s *script.Script, c *script.Conn) {
			s.Wait(50 * time.Second)
			m := subscribe
			m.Branch, m.CSeq, m.To = "again", 2, "t1"
			answer(c, event.Out, m, 200, "", "Expires: 60\r\n")
			s.Wait(50 * time.Second)
		}, false},
		{"is given up", func(s *script.Script, c *script.Conn) {
			m := subscribe
			m.Branch, m.CSeq, m.To = "again", 2, "t1"
			answer(c, event.Out, m, 200, "", "Expires: 0\r\n")
		}, true},
		{"is terminated", func(s *script.Script, c *script.Conn) {
			exchange(c, event.In, script.Msg{Method: "NOTIFY", Branch: "notify", CallID: subscribe.CallID, From: "t1", To: "f1",
				More: "Subscription-State: terminated;reason=timeout\r\n"})
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			c := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
			answer(c, event.Out, subscribe, 200, "", "Expires: 60\r\n")
			tt.play(s, c)
			exchange(c, event.Out, options)
			_, r := play(t, s)
			because := r.Connections[0].Class.Because
			if got := because[len(because)-1] == outlived; got != tt.want {
				t.Errorf("because %q", because)
			}
		})
	}
}
