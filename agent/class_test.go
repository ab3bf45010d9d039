// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

func TestClasses(t *testing.T) {
	options := script.Msg{Method: "OPTIONS"}
	back := script.Msg{Method: "MESSAGE", Branch: "back", CSeq: 7}
	register := script.Msg{Method: "REGISTER", Branch: "reg"}
	outbound := register
	outbound.More = "Supported: outbound, path\r\n" +
		`Contact: <sip:a@192.0.2.1>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>"` + "\r\n"
	invite := script.Msg{Method: "INVITE", Branch: "inv", CallID: "call@example.com"}
	bye := script.Msg{Method: "BYE", Branch: "bye", CallID: "call@example.com", CSeq: 2, To: "t1"}
	for _, tt := range []struct {
		name    string
		from    event.Side
		midLife bool
		play    func(s *script.Script, c *script.Conn)
		class   string
		because []string
	}{
		{"nothing", event.Local, false, func(s *script.Script, c *script.Conn) {}, "undetermined",
			[]string{"no complete SIP message"}},
		{"half a message", event.Local, false, func(s *script.Script, c *script.Conn) {
			c.Out(options.String()[:40])
		}, "undetermined", []string{"no complete SIP message"}},
		{"keep-alives only", event.Local, false, func(s *script.Script, c *script.Conn) {
			c.Out("\r\n\r\n")
		}, "undetermined", []string{"no complete SIP message", "1 keep-alives"}},
		{"attached late, nothing since", event.Local, true, func(s *script.Script, c *script.Conn) {}, "undetermined",
			[]string{"no complete SIP message", "older than the observation"}},
		{"attached late, one direction", event.Local, true, func(s *script.Script, c *script.Conn) {
			exchange(c, event.Out, options)
		}, "undetermined", []string{"requests only sent by local (1 of 1)", "older than the observation: earlier requests and offers are not known"}},
		{"attached late, both directions", event.Local, true, func(s *script.Script, c *script.Conn) {
			exchange(c, event.Out, options)
			exchange(c, event.In, back)
		}, "bidirectional-ephemeral", []string{"requests sent by both sides (local 1, remote 1)",
			"OPTIONS (CSeq 1) by local and MESSAGE (CSeq 7) by remote; who opened the connection is not known"}},
		{"attached late, outbound refreshed", event.Local, true, func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, outbound, 200, "", "Require: outbound\r\n")
		}, "persistent", []string{"REGISTER (CSeq 1) with reg-id and +sip.instance was answered with Require: outbound",
			"requests only sent by local (1 of 1)"}},
		{"uni-directional", event.Local, false, func(s *script.Script, c *script.Conn) {
			exchange(c, event.Out, options)
			options := options
			options.Branch = "second"
			exchange(c, event.Out, options)
		}, "unidirectional-ephemeral", []string{"requests only sent by local (2 of 2)"}},
		{"uni-directional, accepted", event.Remote, false, func(s *script.Script, c *script.Conn) {
			exchange(c, event.In, options)
		}, "unidirectional-ephemeral", []string{"requests only sent by remote (1 of 1)"}},
		{"responses only", event.Remote, false, func(s *script.Script, c *script.Conn) {
			c.Out(options.Reply(200).String())
		}, "unidirectional-ephemeral", []string{"no new request seen"}},
		{"call and BYE back", event.Local, false, func(s *script.Script, c *script.Conn) {
			exchange(c, event.Out, invite)
			m := bye
			m.From, m.To = "t1", "f1"
			exchange(c, event.In, m)
		}, "bidirectional-ephemeral", []string{"requests sent by both sides (local 1, remote 1)",
			"BYE (CSeq 2) came back within a dialog, unagreed"}},
		{"back without ground", event.Local, false, func(s *script.Script, c *script.Conn) {
			exchange(c, event.Out, options)
			exchange(c, event.In, back)
		}, "bidirectional-ephemeral", []string{"requests sent by both sides (local 1, remote 1)", "MESSAGE (CSeq 7) came back, unagreed"}},
		{"back by alias on TCP", event.Local, false, func(s *script.Script, c *script.Conn) {
			m := options
			m.Params = ";alias"
			answer(c, event.Out, m, 200, ";alias", "")
			exchange(c, event.In, back)
		}, "bidirectional-ephemeral", []string{"requests sent by both sides (local 1, remote 1)",
			"MESSAGE (CSeq 7) came back, unagreed: alias in Via of OPTIONS (CSeq 1) has no meaning without TLS"}},
		{"back by registration", event.Remote, false, func(s *script.Script, c *script.Conn) {
			exchange(c, event.In, register)
			exchange(c, event.Out, back)
		}, "bidirectional-ephemeral", []string{"requests sent by both sides (local 1, remote 1)",
			"MESSAGE (CSeq 7) came back after REGISTER (CSeq 1), unagreed: no outbound"}},
		{"outbound", event.Remote, false, func(s *script.Script, c *script.Conn) {
			answer(c, event.In, outbound, 200, "", "Require: outbound\r\n")
			exchange(c, event.Out, back)
		}, "persistent", []string{"REGISTER (CSeq 1) with reg-id and +sip.instance was answered with Require: outbound",
			"requests sent by both sides (local 1, remote 1)"}},
		{"outbound by Path", event.Remote, false, func(s *script.Script, c *script.Conn) {
			answer(c, event.In, outbound, 200, "", "Path: <sip:token@192.0.2.1;lr;ob>\r\n")
		}, "persistent", []string{"REGISTER (CSeq 1) with reg-id and +sip.instance was answered with ob on its Path",
			"requests only sent by remote (1 of 1)"}},
		{"outbound asked for only", event.Remote, false, func(s *script.Script, c *script.Conn) {
			answer(c, event.In, outbound, 200, "", "")
		}, "unidirectional-ephemeral", []string{"requests only sent by remote (1 of 1)", "REGISTER (CSeq 1) asks for outbound, not agreed"}},
		{"dialog with ob", event.Local, false, func(s *script.Script, c *script.Conn) {
			m := invite
			m.More = "Contact: <sip:a@192.0.2.1;ob>\r\n"
			exchange(c, event.Out, m)
		}, "persistent", []string{"INVITE (CSeq 1) of local has ob in its Contact URI and formed a dialog",
			"requests only sent by local (1 of 1)"}},
		{"ob on a refused INVITE", event.Local, false, func(s *script.Script, c *script.Conn) {
			m := invite
			m.More = "Contact: <sip:a@192.0.2.1;ob>\r\n"
			answer(c, event.Out, m, 486, "", "")
		}, "unidirectional-ephemeral", []string{"requests only sent by local (1 of 1)"}},
		{"ACK and CANCEL do not count", event.Local, false, func(s *script.Script, c *script.Conn) {
			c.Out(invite.String())
			m := invite
			m.Method = "CANCEL"
			exchange(c, event.Out, m)
			c.In(invite.Reply(487).String())
			m.Method = "ACK"
			c.Out(m.String())
		}, "unidirectional-ephemeral", []string{"requests only sent by local (1 of 1)"}},
		{"outlives a dialog", event.Local, false, func(s *script.Script, c *script.Conn) {
			exchange(c, event.Out, invite)
			exchange(c, event.Out, bye)
			s.Wait(time.Second)
			exchange(c, event.Out, options)
		}, "unidirectional-ephemeral", []string{"requests only sent by local (3 of 3)", "used again after a dialog on it had ended (1 ended)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			c := s.TCP(tt.from, here, there)
			if tt.midLife {
				c.MidLife()
			} else {
				c.Open()
			}
			tt.play(s, c)
			_, r := play(t, s)
			l := r.Connections[0]
			if l.Class.Observed != tt.class || !slices.Equal(l.Class.Because, tt.because) {
				t.Errorf("%s because %q\nwant %s because %q", l.Class.Observed, l.Class.Because, tt.class, tt.because)
			}
		})
	}
}

func TestClassOfTLS(t *testing.T) {
	s := script.New()
	c := s.TCP(event.Local, "192.0.2.1:40000", "198.51.100.7:5061")
	c.Transport = event.TLS
	c.Open()
	s.Wait(30 * time.Second)
	c.Close(event.Remote, event.FIN)
	s.Last().IdleIn, s.Last().IdleOut = 12*time.Second, 20*time.Second
	s.Last().Counts = event.Counts{BytesSent: 900, BytesReceived: 800, SRTT: time.Millisecond}
	_, r := play(t, s)
	l := r.Connections[0]
	if l.Transport != "tls" || l.Class.Observed != "undetermined" || l.Class.Because[0] != "TLS: messages are not visible" {
		t.Errorf("%s, class %+v", l.Transport, l.Class)
	}
	if l.BytesSent != 900 || *l.Close.IdleSeconds != 12 {
		t.Errorf("bytes sent %d, close %+v: want the kernel's figures", l.BytesSent, l.Close)
	}
}
