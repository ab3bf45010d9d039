// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// owed says what is owed on the connections that were opened, in that order.
func owed(c *Core, now event.Time) string {
	var b strings.Builder
	for _, conn := range c.all() {
		b.WriteString("|")
		for _, d := range []event.Direction{event.Out, event.In} {
			if duty, ok := conn.Neg.Owes(d, now); ok {
				fmt.Fprintf(&b, " %s %d", []string{event.Out: "local", event.In: "remote"}[d], duty.Seconds)
				if duty.Until != 0 {
					fmt.Fprintf(&b, " until +%s", duty.Until.Sub(script.Start))
				}
			}
		}
	}
	return b.String()
}

// TestOwes is the state table of negotiate.Agreement. Each play has two
// connections to the same neighbour and one to another.
func TestOwes(t *testing.T) {
	register := script.Msg{Method: "REGISTER", Params: ";keep", CallID: "reg@example.com", More: "Expires: 600\r\n"}
	invite := script.Msg{Method: "INVITE", Params: ";keep", Branch: "inv"}
	within := func(method, branch, params string) script.Msg {
		return script.Msg{Method: method, Branch: branch, To: "t1", CSeq: 2, Params: params}
	}
	backwards := func(m script.Msg) script.Msg {
		m.From, m.To = "t1", "f1"
		return m
	}
	with := func(m script.Msg, branch, params, more string) script.Msg {
		m.Branch, m.Params, m.More = branch, params, more
		m.CSeq++
		return m
	}
	ring := func(c *script.Conn, status int, tag, params string) {
		r := invite.Reply(status)
		r.To, r.Params = tag, params
		c.In(r.String())
	}
	type scene = func(s *script.Script, a, b, other *script.Conn)
	for _, tt := range []struct {
		name string
		play scene
		want string
	}{
		{"registration", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "Expires: 600\r\n")
		}, "| local 30 until +10m0s||"},
		{"the contact among others", func(s *script.Script, a, b, other *script.Conn) {
			m := with(register, "c", ";keep", "Contact: <sip:a@192.0.2.1:5060>\r\n")
			answer(a, event.Out, m, 200, ";keep=30", "Contact: <sip:b@192.0.2.9>;expires=9, <sip:a@192.0.2.1:5060>;expires=60\r\n")
		}, "| local 30 until +1m0s||"},
		{"renewed with another value", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "Expires: 600\r\n")
			s.Wait(time.Minute)
			answer(a, event.Out, with(register, "r", ";keep", "Expires: 600\r\n"), 200, ";keep=50", "Expires: 600\r\n")
		}, "| local 50 until +11m0s||"},
		{"being renewed", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "Expires: 600\r\n")
			a.Out(with(register, "r", ";keep", "").String())
		}, "|||"},
		{"challenged while being renewed, then renewed", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "Expires: 600\r\n")
			answer(a, event.Out, with(register, "r", ";keep", ""), 401, ";keep", "")
			answer(a, event.Out, with(register, "q", ";keep", ""), 200, ";keep=40", "")
		}, "| local 40||"},
		{"renewed on another connection", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "")
			answer(b, event.Out, with(register, "r", ";keep", ""), 200, ";keep=40", "")
		}, "|| local 40|"},
		{"renewed with another neighbour", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "")
			answer(other, event.Out, with(register, "r", ";keep", ""), 200, ";keep=40", "")
		}, "||| local 40"},
		{"refreshed elsewhere without an offer", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "")
			answer(other, event.Out, with(register, "r", "", ""), 200, "", "")
		}, "|||"},
		{"removed", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "Expires: 600\r\n")
			answer(a, event.Out, with(register, "r", ";keep", "Expires: 0\r\n"), 200, ";keep=30", "")
		}, "|||"},
		{"run out", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "Expires: 60\r\n")
			s.Wait(time.Minute)
		}, "|||"},
		{"two accounts of one Call-ID", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "")
			second := with(register, "r", "", "")
			a.Out(strings.Replace(second.String(), "To: <sip:bob@", "To: <sip:carol@", 1))
			a.In(strings.Replace(second.Reply(200).String(), "To: <sip:bob@", "To: <sip:carol@", 1))
		}, "| local 30||"},
		{"the connection is gone", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "")
			a.Close(event.Remote, event.RST)
			s.Wait(time.Minute)
		}, "|||"},
		{"dialog", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
		}, "| local 20||"},
		{"a value that saturates", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=99999999999999999999", "")
		}, "| local 2147483647||"},
		{"offered twice in one Via", func(s *script.Script, a, b, other *script.Conn) {
			m := invite
			m.Params = ";keep;keep"
			answer(a, event.Out, m, 200, ";keep=20", "")
		}, "|||"},
		{"answered twice in one Via", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20;keep=30", "")
		}, "|||"},
		{"the tightest of two, until the last ends", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=30", "Expires: 60\r\n")
			answer(a, event.Out, invite, 200, ";keep=20", "")
		}, "| local 20||"},
		{"a frequency before none", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, register, 200, ";keep=0", "")
			answer(a, event.Out, invite, 200, ";keep=20", "")
		}, "| local 20||"},
		{"both directions", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
			answer(a, event.In, backwards(within("INVITE", "back", ";keep")), 200, ";keep=25", "")
		}, "| local 20 remote 25||"},
		{"a dialog's second negotiation", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
			answer(a, event.Out, within("UPDATE", "up", ";keep"), 200, ";keep=10", "")
		}, "| local 20||"},
		{"refused first, agreed in the dialog", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep", "")
			answer(a, event.Out, within("UPDATE", "up", ";keep"), 200, ";keep=10", "")
		}, "| local 10||"},
		{"early", func(s *script.Script, a, b, other *script.Conn) {
			a.Out(invite.String())
			ring(a, 183, "t1", ";keep=20")
		}, "| local 20 until +3m32s||"},
		{"early, then a 2xx without", func(s *script.Script, a, b, other *script.Conn) {
			a.Out(invite.String())
			ring(a, 183, "t1", ";keep=20")
			ring(a, 200, "t1", ";keep")
			s.Wait(time.Hour)
		}, "| local 20||"},
		{"early on one fork, 2xx from another", func(s *script.Script, a, b, other *script.Conn) {
			a.Out(invite.String())
			ring(a, 183, "t1", ";keep=20")
			ring(a, 200, "t2", ";keep")
		}, "| local 20 until +32s||"},
		{"two forks, one ends", func(s *script.Script, a, b, other *script.Conn) {
			a.Out(invite.String())
			ring(a, 200, "t1", ";keep=20")
			ring(a, 200, "t2", ";keep=20")
			exchange(a, event.Out, within("BYE", "bye", ""))
		}, "| local 20||"},
		{"both forks end", func(s *script.Script, a, b, other *script.Conn) {
			a.Out(invite.String())
			ring(a, 200, "t1", ";keep=20")
			ring(a, 200, "t2", ";keep=20")
			exchange(a, event.Out, within("BYE", "bye", ""))
			m := within("BYE", "bye2", "")
			m.To = "t2"
			exchange(a, event.Out, m)
		}, "|||"},
		{"ended on another connection", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
			exchange(other, event.In, backwards(within("BYE", "bye", "")))
		}, "|||"},
		{"ended by 481", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
			answer(a, event.Out, within("INFO", "info", ""), 481, "", "")
		}, "|||"},
		{"moves with the dialog", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
			exchange(b, event.Out, within("INFO", "info", ""))
		}, "|| local 20|"},
		{"moves with the ACK", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
			b.Out(within("ACK", "ack", "").String())
		}, "|| local 20|"},
		{"requests the other way do not move it", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
			exchange(b, event.In, backwards(within("INFO", "info", "")))
		}, "| local 20||"},
		{"waits for a connection", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
			a.Close(event.Remote, event.RST)
			s.Wait(time.Minute)
			exchange(b, event.Out, within("INFO", "info", ""))
		}, "|| local 20|"},
		{"the dialog goes elsewhere", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, invite, 200, ";keep=20", "")
			exchange(other, event.Out, within("INFO", "info", ""))
		}, "|||"},
		{"subscription", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, script.Msg{Method: "SUBSCRIBE", Branch: "sub", Params: ";keep"}, 200, ";keep=20", "Expires: 100\r\n")
			s.Wait(50 * time.Second)
			answer(a, event.Out, within("SUBSCRIBE", "again", ""), 200, "", "Expires: 100\r\n")
		}, "| local 20 until +2m30s||"},
		{"subscription that a NOTIFY ends", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, script.Msg{Method: "SUBSCRIBE", Branch: "sub", Params: ";keep"}, 200, ";keep=20", "Expires: 100\r\n")
			m := backwards(within("NOTIFY", "n", ""))
			m.More = "Subscription-State: terminated\r\n"
			exchange(b, event.In, m)
		}, "|||"},
		{"out-of-dialog UPDATE", func(s *script.Script, a, b, other *script.Conn) {
			answer(a, event.Out, script.Msg{Method: "UPDATE", Branch: "u", Params: ";keep"}, 200, ";keep=20", "")
		}, "|||"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			a := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
			b := s.TCP(event.Local, "192.0.2.1:40001", there).Open()
			other := s.TCP(event.Local, "192.0.2.1:40002", "198.51.100.8:5060").Open()
			tt.play(s, a, b, other)
			c, _ := play(t, s)
			if got := owed(c, s.Now); got != tt.want {
				t.Errorf("owed %q, want %q", got, tt.want)
			}
			for _, conn := range []*script.Conn{a, b, other} {
				conn.Close(event.Local, event.FIN)
			}
			for i := len(s.Events) - 3; i < len(s.Events); i++ {
				c.Handle(&s.Events[i])
			}
			empty(t, c, s.Now)
		})
	}
}

// TestAgreementsAreBounded: the oldest give way, and are counted.
func TestAgreementsAreBounded(t *testing.T) {
	c := New(Config{MaxDialogs: 10})
	s := script.New()
	conn := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
	for n := range 50 {
		answer(conn, event.Out, script.Msg{Method: "INVITE", Params: ";keep", Branch: fmt.Sprint(n), CallID: fmt.Sprint(n)}, 200, ";keep=20", "")
	}
	for i := range s.Events {
		c.Handle(&s.Events[i])
	}
	if m := c.Metrics(s.Now); m.Sizes.Agreements != 10 || m.Evicted.Agreements != 40 {
		t.Errorf("%d agreements, %d evicted", m.Sizes.Agreements, m.Evicted.Agreements)
	}
}
