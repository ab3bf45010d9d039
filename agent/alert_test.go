// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Of TLS 1.3 a closure alert is known by what the library tells, or may be by
// the length of the last record.
func TestClosureAlert(t *testing.T) {
	const (
		request  = "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1;alias\r\nFrom: <sip:a@example.org>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: 1@example.org\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
		response = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1;alias\r\nFrom: <sip:a@example.org>;tag=1\r\nTo: <sip:example.com>;tag=2\r\nCall-ID: 1@example.org\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	)
	// last finds the newest record that the local side sent.
	last := func(s *script.Script) int {
		at := len(s.Events) - 1
		for s.Events[at].Kind != event.Record || s.Events[at].Direction != event.Out {
			at--
		}
		return at
	}
	told := func(s *script.Script, c *script.Conn) {
		at := last(s) + 1
		e := c.Event(event.ClosureAlert)
		e.Time, e.Direction = s.Events[at-1].Time, event.Out
		s.Events = slices.Insert(s.Events, at, e)
	}
	for _, tt := range []struct {
		name   string
		change func(*script.Script, *script.Conn)
		found  bool
	}{
		{"sent, not told of", func(s *script.Script, c *script.Conn) {}, false},
		{"sent and told of", told, false},
		{"not sent", func(s *script.Script, c *script.Conn) { at := last(s); s.Events = slices.Delete(s.Events, at, at+1) }, true},
		{"padded and told of", func(s *script.Script, c *script.Conn) {
			told(s, c)
			e := &s.Events[last(s)]
			e.Payload = slices.Clone(e.Payload)
			e.Payload[4] += 14
			e.Length += 14
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := secured(t, trusting(), serverWith(t, &tls.Config{MinVersion: tls.VersionTLS13}), fromClient(request), fromServer(response))
			opened := s.Events[0]
			for text, d := range map[string]event.Direction{request: event.Out, response: event.In} {
				at := slices.IndexFunc(s.Events, func(e event.Event) bool {
					return e.Kind == event.Record && e.Direction == d && e.Length == len(text)+5+17
				})
				data := c.Event(event.Data)
				data.Time, data.Direction, data.Payload, data.Length, data.Seq = s.Events[at].Time, d, []byte(text), len(text), opened.NextOut
				if d == event.In {
					data.Seq = opened.NextIn
				}
				s.Events = slices.Insert(s.Events, at+1, data)
			}
			tt.change(s, c)
			_, r := play(t, s)
			if l := r.Connections[0]; l.TLS.Plaintext != "seen" || l.Incomplete || l.Messages.RequestsSent != 1 || l.Messages.ResponsesReceived != 1 {
				t.Fatalf("the conversation was not understood: %+v", l)
			}
			found := slices.ContainsFunc(r.Findings, func(f report.Finding) bool { return f.Rule == "AL-32" })
			if found != tt.found {
				t.Errorf("found: %v, want %v; %s", found, tt.found, rulesOf(r))
			}
		})
	}
}

func rulesOf(r *report.Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Rule+" "+f.Evidence)
	}
	return strings.Join(all, "; ")
}

// A closure alert comes with the end, and is no use of the connection: a server
// that closes what was idle for long says so in TLS, too.
func TestIdleBeforeAlert(t *testing.T) {
	old := &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
	for _, tt := range []struct {
		name   string
		server *tls.Config
		later  time.Duration // from the last record, which may be an alert, to the FIN
		want   float64
	}{
		{"1.3", &tls.Config{}, 0, 1},
		{"1.2", old, 0, 1},
		{"1.3, the FIN a little later", &tls.Config{}, time.Second, 2},
		{"1.3, so much later that it was a pong", &tls.Config{}, 5 * time.Second, 5},
		{"1.3, the FIN told of late, after the answer", &tls.Config{}, -10 * time.Millisecond, 0.99},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := trusting()
			client.CipherSuites = tt.server.CipherSuites
			s, c := secured(t, client, serverWith(t, tt.server), fromClient("OPTIONS"), fromServer("200"))
			at := slices.IndexFunc(s.Events, func(e event.Event) bool { return e.Kind == event.HalfClosed })
			end := s.Events[at]
			behind := s.Events[at+1:]
			s.Events = s.Events[:at]
			s.Now = max(end.Time, end.Time.Add(tt.later))
			if tt.later < 0 {
				answer := slices.IndexFunc(behind, func(e event.Event) bool { return e.Kind == event.Record && e.Direction == event.In })
				s.Events = append(s.Events, behind[answer])
			}
			end.Time = end.Time.Add(tt.later)
			s.Events = append(s.Events, end)
			c.Close(event.Local, event.FIN)
			_, r := play(t, s)
			if got := *r.Connections[0].Close.IdleSeconds; got != tt.want {
				t.Errorf("idle for %v s, want %v", got, tt.want)
			}
		})
	}
}

// TestReopensAtOnce: a client that opens a new connection as soon as the peer
// has closed the one with alias, whose end is told of after that.
func TestReopensAtOnce(t *testing.T) {
	for _, ends := range []bool{true, false} {
		s := script.New()
		open := func(local, branch string) *script.Conn {
			c := s.TCP(event.Local, local, "198.51.100.7:5061")
			c.Transport = event.TLS
			c.Open()
			exchange(c, event.Out, script.Msg{Method: "OPTIONS", Via: "SIP/2.0/TLS 192.0.2.1:5061", Params: ";alias", Branch: branch, CallID: branch})
			return c
		}
		first := open("192.0.2.1:40001", "a")
		s.Wait(40 * time.Second)
		ended := s.Now
		s.Wait(10 * time.Millisecond)
		open("192.0.2.1:40002", "b")
		if ends {
			first.FIN(event.In)
			s.Last().Time = ended
		}
		s.Wait(time.Minute)
		first.Close(event.Remote, event.FIN)
		_, r := play(t, s)
		if found := slices.ContainsFunc(r.Findings, func(f report.Finding) bool { return f.Rule == "AL-18" }); found == ends {
			t.Errorf("the first had ended: %v; AL-18 found: %v", ends, found)
		}
	}
}
