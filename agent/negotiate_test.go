// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// answer sends m and its reply, whose Via parameters are params.
func answer(c *script.Conn, d event.Direction, m script.Msg, status int, params, more string) {
	c.Data(d, m.String())
	r := m.Reply(status)
	r.Params, r.More = params, more
	c.Data(opposite(d), r.String())
}

// TestKeep is RFC 6223 with its echo traps: a server that knows nothing of keep
// returns the Via as it came.
func TestKeep(t *testing.T) {
	const none = "null"
	register := script.Msg{Method: "REGISTER", Params: ";keep", CallID: "reg@example.com"}
	invite := script.Msg{Method: "INVITE", Params: ";keep", Branch: "inv"}
	for _, tt := range []struct {
		name string
		play func(s *script.Script, c *script.Conn)
		want string
	}{
		{"not offered", func(s *script.Script, c *script.Conn) {
			exchange(c, event.Out, script.Msg{Method: "OPTIONS"})
		}, none},
		{"offered, no answer yet", func(s *script.Script, c *script.Conn) {
			c.Out(register.String())
		}, `{"offered":true,"agreed":null,"seconds":null,"scope":"registration","direction":"local-sends","until":null}`},
		{"offered and echoed", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, register, 200, ";keep", "Expires: 600\r\n")
		}, `{"offered":true,"agreed":false,"seconds":null,"scope":"registration","direction":"local-sends","until":null}`},
		{"offered and dropped", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, register, 200, "", "")
		}, `{"offered":true,"agreed":false,"seconds":null,"scope":"registration","direction":"local-sends","until":null}`},
		{"agreed for a registration", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, register, 200, ";keep=30", "Contact: <sip:a@192.0.2.1>;expires=600\r\n")
		}, `{"offered":true,"agreed":true,"seconds":30,"scope":"registration","direction":"local-sends","until":"2026-03-01T12:10:00Z"}`},
		{"agreed without a recommendation", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, register, 200, ";keep=0", "")
		}, `{"offered":true,"agreed":true,"seconds":0,"scope":"registration","direction":"local-sends","until":null}`},
		{"peer's offer agreed by us", func(s *script.Script, c *script.Conn) {
			answer(c, event.In, register, 200, ";keep=25", "")
		}, `{"offered":true,"agreed":true,"seconds":25,"scope":"registration","direction":"peer-sends","until":null}`},
		{"valued offer echoed", func(s *script.Script, c *script.Conn) {
			m := register
			m.Params = ";keep=30"
			answer(c, event.Out, m, 200, ";keep=30", "")
		}, `{"offered":true,"agreed":null,"seconds":null,"scope":"registration","direction":"local-sends","until":null}`},
		{"valued offer answered otherwise", func(s *script.Script, c *script.Conn) {
			m := register
			m.Params = ";keep=30"
			answer(c, event.Out, m, 200, ";keep=60", "")
		}, `{"offered":true,"agreed":null,"seconds":null,"scope":"registration","direction":"local-sends","until":null}`},
		{"value without an offer", func(s *script.Script, c *script.Conn) {
			m := register
			m.Params = ""
			answer(c, event.Out, m, 200, ";keep=30", "")
		}, none},
		{"malformed offer", func(s *script.Script, c *script.Conn) {
			m := register
			m.Params = ";keep=30s"
			answer(c, event.Out, m, 200, ";keep=30s", "")
		}, none},
		{"malformed answer", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, register, 200, ";keep=soon", "")
		}, `{"offered":true,"agreed":false,"seconds":null,"scope":"registration","direction":"local-sends","until":null}`},
		{"only on a lower Via", func(s *script.Script, c *script.Conn) {
			m := register
			m.Params = "\r\nVia: SIP/2.0/TCP 203.0.113.9;branch=z9hG4bKlow;keep"
			answer(c, event.Out, m, 200, "\r\nVia: SIP/2.0/TCP 203.0.113.9;branch=z9hG4bKlow;keep=30", "")
		}, none},
		{"registration challenged with a value", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, register, 401, ";keep=30", "")
		}, `{"offered":true,"agreed":false,"seconds":null,"scope":"registration","direction":"local-sends","until":null}`},
		{"challenged, then agreed", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, register, 401, ";keep", "")
			m := register
			m.Branch, m.CSeq = "second", 2
			answer(c, event.Out, m, 200, ";keep=40", "")
		}, `{"offered":true,"agreed":true,"seconds":40,"scope":"registration","direction":"local-sends","until":null}`},
		{"refreshed without an offer", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, register, 200, ";keep=30", "")
			s.Wait(time.Minute)
			m := register
			m.Params, m.Branch, m.CSeq = "", "second", 2
			answer(c, event.Out, m, 200, "", "")
		}, `{"offered":true,"agreed":true,"seconds":30,"scope":"registration","direction":"local-sends","until":"2026-03-01T12:01:00Z"}`},
		{"another registration does not end it", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, register, 200, ";keep=30", "")
			m := register
			m.Params, m.Branch, m.CallID = "", "second", "other@example.com"
			answer(c, event.Out, m, 200, "", "")
		}, `{"offered":true,"agreed":true,"seconds":30,"scope":"registration","direction":"local-sends","until":null}`},
		{"dialog agreed by a provisional response", func(s *script.Script, c *script.Conn) {
			c.Out(invite.String())
			r := invite.Reply(183)
			r.Params = ";keep=20"
			c.In(r.String())
			c.In(invite.Reply(200).String())
		}, `{"offered":true,"agreed":true,"seconds":20,"scope":"dialog","direction":"local-sends","until":null}`},
		{"100 is no dialog", func(s *script.Script, c *script.Conn) {
			c.Out(invite.String())
			r := invite.Reply(100)
			r.Params = ";keep=20"
			c.In(r.String())
		}, `{"offered":true,"agreed":null,"seconds":null,"scope":"dialog","direction":"local-sends","until":null}`},
		{"agreed early, then refused", func(s *script.Script, c *script.Conn) {
			c.Out(invite.String())
			r := invite.Reply(183)
			r.Params = ";keep=20"
			c.In(r.String())
			c.In(invite.Reply(486).String())
		}, `{"offered":true,"agreed":false,"seconds":null,"scope":"dialog","direction":"local-sends","until":null}`},
		{"ACK and CANCEL inherit it", func(s *script.Script, c *script.Conn) {
			m := invite
			m.Params = ""
			c.Out(m.String())
			m.Method, m.Params = "CANCEL", ";keep"
			answer(c, event.Out, m, 200, ";keep=30", "")
			m.Method = "ACK"
			c.Out(m.String())
		}, none},
		{"the answer to CANCEL agrees to nothing", func(s *script.Script, c *script.Conn) {
			c.Out(invite.String())
			m := invite
			m.Method = "CANCEL"
			answer(c, event.Out, m, 200, ";keep=30", "")
			c.In(invite.Reply(487).String())
		}, `{"offered":true,"agreed":false,"seconds":null,"scope":"dialog","direction":"local-sends","until":null}`},
		{"until the dialog ends", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, invite, 200, ";keep=20", "")
			s.Wait(time.Minute)
			exchange(c, event.In, script.Msg{Method: "BYE", Branch: "bye", From: "t1", To: "f1"})
		}, `{"offered":true,"agreed":true,"seconds":20,"scope":"dialog","direction":"local-sends","until":"2026-03-01T12:01:00Z"}`},
		{"a dialog's agreement is not negotiated again", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, invite, 200, ";keep=20", "")
			m := invite
			m.Branch, m.CSeq, m.To = "re", 2, "t1"
			answer(c, event.Out, m, 200, ";keep=99", "")
		}, `{"offered":true,"agreed":true,"seconds":20,"scope":"dialog","direction":"local-sends","until":null}`},
		{"a request that cannot carry it", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, script.Msg{Method: "OPTIONS", Params: ";keep"}, 200, ";keep", "")
		}, `{"offered":true,"agreed":false,"seconds":null,"scope":null,"direction":"local-sends","until":null}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			c := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
			tt.play(s, c)
			_, r := play(t, s)
			if m := r.Connections[0].Messages; m.Malformed != 0 {
				t.Fatalf("malformed: %+v", m)
			}
			equalJSON(t, r.Connections[0].Negotiated.Keep, tt.want)
		})
	}
}

func TestAliasAndOutbound(t *testing.T) {
	register := script.Msg{Method: "REGISTER", More: "Supported: outbound, path\r\n" +
		`Contact: <sip:a@192.0.2.1>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>"` + "\r\n"}
	for _, tt := range []struct {
		name string
		play func(c *script.Conn)
		want string
	}{
		{"alias echoed is not used", func(c *script.Conn) {
			answer(c, event.Out, script.Msg{Method: "OPTIONS", Params: ";alias"}, 200, ";alias", "")
		}, `{"keep":null,"alias":{"offered_by":"local","tls":false,"sent_by":"192.0.2.1:5060","used":false,"outcome":"offered"},"persistent":null,"outbound":null}`},
		{"alias echoed by us is not our offer", func(c *script.Conn) {
			answer(c, event.In, script.Msg{Method: "OPTIONS", Params: ";alias"}, 200, ";alias", "")
		}, `{"keep":null,"alias":{"offered_by":"remote","tls":false,"sent_by":"198.51.100.7:5060","used":false,"outcome":"offered"},"persistent":null,"outbound":null}`},
		{"alias in a response only", func(c *script.Conn) {
			answer(c, event.Out, script.Msg{Method: "OPTIONS"}, 200, ";alias", "")
		}, `{"keep":null,"alias":null,"persistent":null,"outbound":null}`},
		{"alias used", func(c *script.Conn) {
			answer(c, event.Out, script.Msg{Method: "OPTIONS", Params: ";alias"}, 200, ";alias", "")
			exchange(c, event.In, script.Msg{Method: "OPTIONS", Branch: "back"})
		}, `{"keep":null,"alias":{"offered_by":"local","tls":false,"sent_by":"192.0.2.1:5060","used":true,"outcome":"used"},"persistent":null,"outbound":null}`},
		{"outbound asked for", func(c *script.Conn) {
			answer(c, event.Out, register, 200, "", "Supported: outbound\r\n")
		}, `{"keep":null,"alias":null,"persistent":null,"outbound":{"offered":true,"agreed":false,"flow_timer_seconds":null}}`},
		{"outbound agreed", func(c *script.Conn) {
			answer(c, event.Out, register, 200, "", "Require: outbound\r\nFlow-Timer: 120\r\n")
		}, `{"keep":null,"alias":null,"persistent":null,"outbound":{"offered":true,"agreed":true,"flow_timer_seconds":120}}`},
		{"the newest 2xx decides", func(c *script.Conn) {
			answer(c, event.Out, register, 200, "", "Require: outbound\r\nFlow-Timer: 120\r\n")
			m := register
			m.Branch, m.CSeq = "second", 2
			answer(c, event.Out, m, 200, "", "Require: outbound\r\n")
		}, `{"keep":null,"alias":null,"persistent":null,"outbound":{"offered":true,"agreed":true,"flow_timer_seconds":null}}`},
		{"agreed without an offer", func(c *script.Conn) {
			answer(c, event.Out, script.Msg{Method: "REGISTER"}, 200, "", "Require: outbound\r\n")
		}, `{"keep":null,"alias":null,"persistent":null,"outbound":null}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			c := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
			tt.play(c)
			_, r := play(t, s)
			equalJSON(t, r.Connections[0].Negotiated, tt.want)
		})
	}
}

// TestPersistent is draft-jain-sipping-persistent-conn-reqs.
func TestPersistent(t *testing.T) {
	offer := script.Msg{Method: "INVITE", Params: ";persistent", Branch: "offer"}
	later := script.Msg{Method: "OPTIONS", Branch: "later", CallID: "other@example.com"}
	with := func(m script.Msg, params, more string) script.Msg {
		m.Params, m.More = params, more
		return m
	}
	for _, tt := range []struct {
		name    string
		play    func(s *script.Script, c *script.Conn)
		class   string
		because string
		want    string
	}{
		{"offered", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, offer, 200, ";persistent", "")
		}, "unidirectional-ephemeral", "requests only sent by local (1 of 1)",
			`{"offered_by":"local","via":"parameter","option_tag":null,"timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"offered","until":null}`},
		{"honoured by a later request", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, offer, 200, ";persistent", "")
			s.Wait(20 * time.Second)
			exchange(c, event.Out, later)
		}, "persistent", "Via of INVITE (CSeq 1) offers persistent; OPTIONS (CSeq 1) used the connection 20s later",
			`{"offered_by":"local","via":"parameter","option_tag":null,"timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"honoured","until":null}`},
		{"honoured by letting it stand", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, with(offer, "", "Supported: persistence\r\nPersistent-Timeout: 3600\r\n"), 200, "", "")
			s.Wait(33 * time.Second)
		}, "persistent", "Supported of INVITE (CSeq 1) offers persistent; it stood for 33s after the transaction",
			`{"offered_by":"local","via":null,"option_tag":"supported","timeout_seconds":3600,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"honoured","until":"2026-03-01T13:00:00Z"}`},
		{"not yet answered", func(s *script.Script, c *script.Conn) {
			c.Out(offer.String())
			c.Out(later.String())
			s.Wait(time.Minute)
		}, "unidirectional-ephemeral", "requests only sent by local (2 of 2)",
			`{"offered_by":"local","via":"parameter","option_tag":null,"timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"offered","until":null}`},
		{"declined by closing after the transaction", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, offer, 200, ";persistent", "")
			s.Wait(time.Second)
			c.FIN(event.In)
			c.Close(event.Remote, event.FIN)
			s.Wait(time.Minute)
		}, "unidirectional-ephemeral", "requests only sent by local (1 of 1)",
			`{"offered_by":"local","via":"parameter","option_tag":null,"timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"declined","until":null}`},
		{"closed by who offered", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, offer, 200, ";persistent", "")
			s.Wait(time.Second)
			c.FIN(event.Out)
			c.Close(event.Local, event.FIN)
			s.Wait(time.Minute)
		}, "unidirectional-ephemeral", "requests only sent by local (1 of 1)",
			`{"offered_by":"local","via":"parameter","option_tag":null,"timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"offered","until":null}`},
		{"required and agreed", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, with(offer, "", "Require: persistence\r\n"), 200, "", "")
		}, "unidirectional-ephemeral", "requests only sent by local (1 of 1)",
			`{"offered_by":"local","via":null,"option_tag":"required","timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"agreed","until":null}`},
		{"refused by 420", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, with(offer, "", "Require: persistence\r\n"), 420, "", "Unsupported: persistence\r\n")
		}, "unidirectional-ephemeral", "requests only sent by local (1 of 1)",
			`{"offered_by":"local","via":null,"option_tag":"required","timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"declined","until":null}`},
		{"countered", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, with(offer, ";persistent", "Persistence-Timeout: 30\r\n"), 400, ";persistent", "Min-Persistence: 600\r\n")
		}, "unidirectional-ephemeral", "requests only sent by local (1 of 1)",
			`{"offered_by":"local","via":"parameter","option_tag":null,"timeout_seconds":30,"refused_timeout_seconds":30,"min_persistence_seconds":600,"outcome":"countered","until":null}`},
		{"countered, retried and agreed", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, with(offer, ";persistent", "Persistent-Timeout: 30\r\n"), 400, ";persistent", "Min-Persistence: 600\r\n")
			m := with(offer, ";persistent", "Persistent-Timeout: 600\r\n")
			m.Branch, m.CSeq = "retry", 2
			answer(c, event.Out, m, 200, ";persistent", "")
		}, "unidirectional-ephemeral", "requests only sent by local (2 of 2)",
			`{"offered_by":"local","via":"parameter","option_tag":null,"timeout_seconds":600,"refused_timeout_seconds":30,"min_persistence_seconds":600,"outcome":"agreed","until":"2026-03-01T12:10:00Z"}`},
		{"challenged is not honoured", func(s *script.Script, c *script.Conn) {
			answer(c, event.Out, offer, 407, ";persistent", "")
			m := offer
			m.Branch, m.CSeq = "retry", 2
			answer(c, event.Out, m, 200, ";persistent", "")
		}, "unidirectional-ephemeral", "requests only sent by local (2 of 2)",
			`{"offered_by":"local","via":"parameter","option_tag":null,"timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"offered","until":null}`},
		{"transport token of version 01", func(s *script.Script, c *script.Conn) {
			m := offer
			m.Via, m.Params = "SIP/2.0/PTCP 192.0.2.1:5060", ""
			answer(c, event.Out, m, 200, "", "")
			s.Wait(10 * time.Second)
			exchange(c, event.Out, later)
		}, "persistent", "transport PTCP in Via of INVITE (CSeq 1) offers persistent; OPTIONS (CSeq 1) used the connection 10s later",
			`{"offered_by":"local","via":"ptcp","option_tag":null,"timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"honoured","until":null}`},
		{"an acceptor's offer does not make it persistent", func(s *script.Script, c *script.Conn) {
			answer(c, event.In, offer, 200, ";persistent", "")
			s.Wait(time.Minute)
		}, "unidirectional-ephemeral", "requests only sent by remote (1 of 1)",
			`{"offered_by":"remote","via":"parameter","option_tag":null,"timeout_seconds":null,"refused_timeout_seconds":null,"min_persistence_seconds":null,"outcome":"honoured","until":null}`},
		{"echo in a response", func(s *script.Script, c *script.Conn) {
			answer(c, event.In, later, 200, ";persistent", "Supported: persistence\r\n")
			s.Wait(time.Minute)
		}, "unidirectional-ephemeral", "requests only sent by remote (1 of 1)", "null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			c := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
			tt.play(s, c)
			_, r := play(t, s)
			l := r.Connections[0]
			if l.Class.Observed != tt.class || l.Class.Because[0] != tt.because {
				t.Errorf("class %+v, want %s because %s", l.Class, tt.class, tt.because)
			}
			equalJSON(t, l.Negotiated.Persistent, tt.want)
		})
	}
}

func equalJSON(t *testing.T, got any, want string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}
