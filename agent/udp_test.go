// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// stun returns a STUN header without attributes.
func stun(kind uint16, id byte) string {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, kind)
	binary.BigEndian.PutUint32(b[4:], 0x2112A442)
	b[19] = id
	return string(b)
}

func TestFlow(t *testing.T) {
	via := "SIP/2.0/UDP 192.0.2.1:5060"
	options := script.Msg{Method: "OPTIONS", Via: via}
	for _, tt := range []struct {
		name      string
		play      func(s *script.Script, c *script.Conn)
		initiator string
		messages  string
		alive     string
	}{
		{"request and reply", func(s *script.Script, c *script.Conn) {
			exchange(c, event.Out, options)
		}, "local",
			`{"requests_sent":1,"requests_received":0,"responses_sent":0,"responses_received":1,"retransmissions":0,"malformed":0}`, ``},
		{"retransmissions", func(s *script.Script, c *script.Conn) {
			c.In(options.String())
			s.Wait(500 * time.Millisecond)
			c.In(options.String())
			c.Out(options.Reply(200).String())
			c.Out(options.Reply(200).String())
			s.Wait(time.Second)
			c.In(options.String())
			c.Out(options.Reply(200).String())
		}, "remote",
			`{"requests_sent":0,"requests_received":3,"responses_sent":3,"responses_received":0,"retransmissions":4,"malformed":0}`, ``},
		{"INVITE, two answers of a fork, ACKs", func(s *script.Script, c *script.Conn) {
			m := script.Msg{Method: "INVITE", Via: via}
			c.Out(m.String())
			c.In(m.Reply(100).String())
			fork := m
			fork.To = "t2"
			c.In(m.Reply(200).String())
			c.In(fork.Reply(200).String())
			c.In(fork.Reply(200).String())
			m.Method, m.Branch = "ACK", "ack"
			c.Out(m.String())
		}, "local",
			`{"requests_sent":2,"requests_received":0,"responses_sent":0,"responses_received":4,"retransmissions":1,"malformed":0}`, ``},
		{"ACK of a refusal", func(s *script.Script, c *script.Conn) {
			m := script.Msg{Method: "INVITE", Via: via}
			answer(c, event.Out, m, 486, "", "")
			m.Method = "ACK"
			c.Out(m.String())
			c.Out(m.String())
		}, "local",
			`{"requests_sent":3,"requests_received":0,"responses_sent":0,"responses_received":1,"retransmissions":1,"malformed":0}`, ``},
		{"branches of RFC 2543", func(s *script.Script, c *script.Conn) {
			for n := range 2 {
				m := script.Msg{Method: "OPTIONS", Via: "SIP/2.0/UDP 192.0.2.1:5060;branch=1", CSeq: n + 1}
				c.Out(m.String())
				c.In(m.Reply(200).String())
			}
		}, "local",
			`{"requests_sent":2,"requests_received":0,"responses_sent":0,"responses_received":2,"retransmissions":0,"malformed":0}`, ``},
		{"begins within a dialog", func(s *script.Script, c *script.Conn) {
			exchange(c, event.In, script.Msg{Method: "BYE", Via: via, To: "t9"})
		}, "unknown",
			`{"requests_sent":0,"requests_received":1,"responses_sent":1,"responses_received":0,"retransmissions":0,"malformed":0}`, ``},
		{"begins with a response", func(s *script.Script, c *script.Conn) {
			c.In(options.Reply(200).String())
			exchange(c, event.In, options)
		}, "unknown",
			`{"requests_sent":0,"requests_received":1,"responses_sent":1,"responses_received":1,"retransmissions":0,"malformed":0}`, ``},
		{"not SIP", func(s *script.Script, c *script.Conn) {
			c.In("hello there")
		}, "unknown",
			`{"requests_sent":0,"requests_received":0,"responses_sent":0,"responses_received":0,"retransmissions":0,"malformed":1}`, ``},
		{"filler", func(s *script.Script, c *script.Conn) {
			for _, b := range []string{"\r\n\r\n", "\x00\x00\x00\x00", "", "jaK"} {
				c.In(b)
				s.Wait(15 * time.Second)
			}
		}, "remote", ``,
			`{"pings_sent":0,"pings_received":4,"pongs_sent":0,"pongs_received":0,"stun_sent":0,"stun_received":0,"stun_answered":0,"injected":0,"unanswered":0,"interval_seconds":{"min":15,"median":15,"max":15},"told_by_length":false}`},
		{"STUN", func(s *script.Script, c *script.Conn) {
			c.Out(stun(1, 1))
			s.Wait(500 * time.Millisecond)
			c.Out(stun(1, 1)) // the same again
			c.In(stun(0x101, 1))
			c.In(stun(0x101, 1))
			s.Wait(24 * time.Second)
			c.Out(stun(1, 2))
			c.In(stun(0x101, 9)) // of somebody else
			s.Wait(40 * time.Second)
			c.In(stun(0x101, 2)) // too late
		}, "local", ``,
			`{"pings_sent":0,"pings_received":0,"pongs_sent":0,"pongs_received":0,"stun_sent":2,"stun_received":0,"stun_answered":1,"injected":0,"unanswered":1,"interval_seconds":{"min":24.5,"median":24.5,"max":24.5},"told_by_length":false}`},
		{"other STUN", func(s *script.Script, c *script.Conn) {
			c.Out(stun(3, 1))
		}, "unknown",
			`{"requests_sent":0,"requests_received":0,"responses_sent":0,"responses_received":0,"retransmissions":0,"malformed":0}`, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			tt.play(s, s.UDP(here, there))
			_, r := play(t, s)
			if len(r.Connections) != 1 {
				t.Fatalf("%d flows", len(r.Connections))
			}
			l := r.Connections[0]
			if l.Transport != "udp" || l.Initiator != tt.initiator {
				t.Errorf("%s flow begun by %s, want %s", l.Transport, l.Initiator, tt.initiator)
			}
			if tt.messages != "" {
				equalJSON(t, l.Messages, tt.messages)
			}
			if tt.alive != "" {
				equalJSON(t, l.Keepalives, tt.alive)
			}
		})
	}
}

func TestFlowsOfASocket(t *testing.T) {
	s := script.New()
	a, b := s.UDP(here, there), s.UDP(here, "198.51.100.8:5060")
	b.Socket = a.Socket
	listening := a.Event(event.Listening)
	listening.Local, listening.Remote = netip.MustParseAddrPort("0.0.0.0:5060"), netip.MustParseAddrPort("0.0.0.0:0")
	s.Events = append(s.Events, listening)
	for _, c := range []*script.Conn{a, b} {
		exchange(c, event.In, script.Msg{Method: "OPTIONS"})
	}
	_, r := play(t, s)
	if len(r.Connections) != 2 || r.Connections[0].Process.Name != "proxy" || r.Connections[1].Close != nil {
		t.Fatalf("%+v", r.Connections)
	}
	s.Wait(4 * time.Minute)
	exchange(a, event.In, script.Msg{Method: "OPTIONS", Branch: "again"})
	s.Wait(time.Minute)
	core, r := play(t, s)
	if r.Connections[0].Close != nil {
		t.Errorf("a flow with traffic ended: %+v", r.Connections[0].Close)
	}
	equalJSON(t, r.Connections[1].Close, `{"by":"unknown","how":"expired","idle_seconds":300,"pending_transactions":0,"exiting":false}`)
	closed := a.Event(event.Closed)
	closed.Time, closed.Remote = s.Now, netip.MustParseAddrPort("0.0.0.0:0")
	core.Handle(&closed)
	r = core.Report(s.Now)
	equalJSON(t, r.Connections[0].Close, `{"by":"local","how":null,"idle_seconds":60,"pending_transactions":0,"exiting":false}`)
	core.Tick(s.Now.Add(time.Hour))
	if z := core.Sizes(); z.Flows != 0 || z.Sockets != 0 || z.Transactions != 0 {
		t.Errorf("left over: %+v", z)
	}
}

// TestOwnerComesLater: the holder of a socket may become known after its flows.
func TestOwnerComesLater(t *testing.T) {
	s := script.New()
	c := s.UDP(here, there)
	c.Owner = event.Process{}
	exchange(c, event.In, script.Msg{Method: "OPTIONS"})
	c.Owner = event.Process{PID: 77, Name: "late"}
	owner := c.Event(event.Owner)
	owner.Time, owner.Remote = s.Now, netip.AddrPort{}
	s.Events = append(s.Events, owner)
	_, r := play(t, s)
	if p := r.Connections[0].Process; p == nil || p.PID != 77 {
		t.Errorf("process %+v", p)
	}
}

// TestFlowAfterSilence: without a tick in between, a datagram after the timeout
// begins another flow, as it does with one.
func TestFlowAfterSilence(t *testing.T) {
	s := script.New()
	c := s.UDP(here, there)
	exchange(c, event.In, script.Msg{Method: "OPTIONS"})
	s.Wait(6 * time.Minute)
	exchange(c, event.In, script.Msg{Method: "OPTIONS"})
	core := New(Config{})
	for i := range s.Events {
		core.Handle(&s.Events[i])
	}
	if r := core.Report(s.Now); len(r.Connections) != 2 || r.Connections[0].Close == nil || r.Connections[1].Close != nil {
		t.Errorf("%+v", r.Connections)
	}
}
