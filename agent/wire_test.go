// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/internal/shake"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	ping, pong = "\r\n\r\n", "\r\n"
)

// sealed adds what one side writes as the programs tell of it.
func sealed(c *script.Conn, d event.Direction, b []byte) {
	seq := &c.SeqIn
	if d == event.Out {
		seq = &c.SeqOut
	}
	for len(b) > 0 {
		n := 5 + int(b[3])<<8 + int(b[4])
		c.Segment(d, *seq, string(b[:n]))
		e := c.S.Last()
		e.Kind = event.Record
		if b[0] == 23 {
			e.Payload = e.Payload[:min(n, 21)]
		}
		*seq += uint32(n)
		b = b[n:]
	}
}

// secured is a conversation in which the local side is the client's, each line
// a second after the one before; the client's end comes first.
func secured(t *testing.T, client, server *tls.Config, lines ...shake.Line) (*script.Script, *script.Conn) {
	t.Helper()
	s := script.New()
	c := s.TCP(event.Local, "192.0.2.1:40001", "198.51.100.7:5061")
	c.Transport = event.TLS
	c.Open()
	line := -1
	for _, said := range shake.Talk(t, client, server, lines...) {
		if said.Line != line {
			line = said.Line
			s.Wait(time.Second)
		}
		d := event.Out
		if said.Server {
			d = event.In
		}
		sealed(c, d, said.Bytes)
		if line == len(lines) && !said.Server {
			c.FIN(event.Out)
		}
	}
	c.Close(event.Local, event.FIN)
	s.Wait(time.Minute)
	return s, c
}

func serverWith(t *testing.T, o *tls.Config) *tls.Config {
	o = o.Clone()
	o.Certificates = []tls.Certificate{shake.Certificate(t, "", "example.com")}
	return o
}

func trusting() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "example.com"}
}

func fromClient(text string) shake.Line { return shake.Line{Text: text} }
func fromServer(text string) shake.Line { return shake.Line{Server: true, Text: text} }

// TestKeepalivesByLength: pings and pongs that nobody can read.
func TestKeepalivesByLength(t *testing.T) {
	message := strings.Repeat("x", 700)
	suite := func(id uint16) *tls.Config {
		return &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{id}}
	}
	gcm := suite(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	chacha := suite(tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)
	cbc := suite(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA)
	exchange := []shake.Line{fromClient(message), fromServer(message), fromClient(ping), fromServer(pong), fromClient(ping), fromServer(pong)}
	for _, tt := range []struct {
		name   string
		server *tls.Config
		lines  []shake.Line
		want   string // pings out/in, pongs out/in, unanswered
	}{
		{"1.3", &tls.Config{}, exchange, "2/0 0/2 0"},
		{"1.2 AES-GCM", gcm, exchange, "2/0 0/2 0"},
		{"1.2 ChaCha20", chacha, exchange, "2/0 0/2 0"},
		{"1.2 CBC says nothing", cbc, exchange, "0/0 0/0 0"},
		{"from the server", &tls.Config{}, []shake.Line{fromServer(ping), fromClient(pong)}, "0/1 1/0 0"},
		{"both ways", gcm, []shake.Line{fromServer(ping), fromClient(pong), fromClient(ping), fromServer(pong)}, "1/1 1/1 0"},
		{"no answer", &tls.Config{}, []shake.Line{fromClient(ping)}, "1/0 0/0 0"},
		{"no answer, an alert is none", &tls.Config{}, []shake.Line{fromServer(ping)}, "0/1 0/0 0"},
		{"a pong and then the alert", &tls.Config{}, []shake.Line{fromServer(ping), fromClient(pong)}, "0/1 1/0 0"},
		{"pongs that nobody asked for", &tls.Config{}, []shake.Line{fromClient(pong), fromServer(pong)}, "0/0 0/0 0"},
		{"the rest of a longer write", &tls.Config{}, []shake.Line{fromClient(strings.Repeat("x", 8000)), fromClient(strings.Repeat("x", 5*16384+4))}, "0/0 0/0 0"},
		{"other lengths", &tls.Config{}, []shake.Line{fromClient("x"), fromClient("xxx"), fromClient("xxxxx"), fromClient("xxxxxx")}, "0/0 0/0 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := trusting()
			client.CipherSuites = tt.server.CipherSuites
			s, _ := secured(t, client, serverWith(t, tt.server), tt.lines...)
			_, r := play(t, s)
			k := r.Connections[0].Keepalives
			got := fmt.Sprintf("%d/%d %d/%d %d", k.PingsSent, k.PingsReceived, k.PongsSent, k.PongsReceived, k.Unanswered)
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if k.ToldByLength == (tt.want == "0/0 0/0 0") {
				t.Errorf("told by length: %t", k.ToldByLength)
			}
			if len(r.Findings) != 0 {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}

// TestTLSLine: what the report says of the handshake.
func TestTLSLine(t *testing.T) {
	client := trusting()
	client.NextProtos = []string{"sip"}
	client.Certificates = []tls.Certificate{shake.Certificate(t, "", "sip:example.org")}
	ask := &tls.Config{MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert, NextProtos: []string{"sip"}}
	all, _ := secured(t, client, serverWith(t, ask), fromClient("x"))
	hidden, _ := secured(t, client, serverWith(t, &tls.Config{ClientAuth: tls.RequestClientCert}), fromClient("x"))
	older := script.New()
	c := older.TCP(event.Remote, "192.0.2.1:5061", "198.51.100.7:40001")
	c.Transport = event.TLS
	c.MidLife()
	sealed(c, event.In, slices.Concat([]byte{23, 3, 3, 0, 21}, make([]byte, 21)))
	lossy, _ := secured(t, client, serverWith(t, ask), fromClient(ping), fromServer(pong))
	lossy.Events = slices.DeleteFunc(lossy.Events, func(e event.Event) bool { // the server's flight
		return e.Kind == event.Record && e.Direction == event.In && e.Payload[0] == 22 && e.Payload[5] == 11
	})
	for _, tt := range []struct {
		name string
		s    *script.Script
		want string
	}{
		{"1.2", all, `{"version":"1.2","sni":"example.com","alpn":"sip","alpn_offered":["sip"],"resumed":false,"client_certificate":"given","client_names":["sip:example.org"],"server_names":["example.com"],"plaintext":"opaque","opaque":null}`},
		{"1.3", hidden, `{"version":"1.3","sni":"example.com","alpn":null,"alpn_offered":["sip"],"resumed":false,"client_certificate":"unknown","client_names":[],"server_names":[],"plaintext":"opaque","opaque":null}`},
		{"older than the observation", older, `{"version":null,"sni":null,"alpn":null,"alpn_offered":[],"resumed":null,"client_certificate":"unknown","client_names":[],"server_names":[],"plaintext":"opaque","opaque":null}`},
		{"its certificate was not seen", lossy, `{"version":"1.2","sni":"example.com","alpn":"sip","alpn_offered":["sip"],"resumed":null,"client_certificate":"unknown","client_names":[],"server_names":[],"plaintext":"opaque","opaque":null}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, r := play(t, tt.s)
			b, err := json.Marshal(r.Connections[0].TLS)
			if err != nil || string(b) != tt.want {
				t.Errorf("got  %s\nwant %s (%v)", b, tt.want, err)
			}
		})
	}
}

// TestPlaintextCounts: where the plaintext is seen, lengths tell nothing.
func TestPlaintextCounts(t *testing.T) {
	s, c := secured(t, trusting(), serverWith(t, &tls.Config{}), fromClient(ping), fromServer(pong))
	at := slices.IndexFunc(s.Events, func(e event.Event) bool { return e.Kind == event.Record && e.Payload[0] == 23 })
	data := c.Event(event.Data)
	data.Time, data.Direction, data.Payload, data.Length, data.Seq = s.Events[at].Time, event.Out, []byte(ping), 4, 1
	s.Events = slices.Insert(s.Events, at, data)
	_, r := play(t, s)
	line := r.Connections[0]
	if k := line.Keepalives; k.PingsSent != 1 || k.PongsReceived != 0 || k.ToldByLength {
		t.Errorf("%+v", k)
	}
	if line.TLS.Plaintext != "seen" {
		t.Errorf("plaintext %s", line.TLS.Plaintext)
	}
}

// TestWireIsBounded: nothing of a TLS connection is left when it is gone, and
// what is out of order is given up.
func TestWireIsBounded(t *testing.T) {
	s, _ := secured(t, trusting(), serverWith(t, &tls.Config{}), fromClient(ping))
	c := New(Config{Started: script.Start})
	for i := range s.Events {
		e := s.Events[i]
		if e.Kind == event.Closed || e.Kind == event.HalfClosed {
			continue
		}
		if e.Kind == event.Record && i%2 == 0 {
			e.Seq += 100_000 // a hole
		}
		c.Handle(&e)
	}
	if c.Sizes().HeldBytes == 0 {
		t.Fatal("nothing was held")
	}
	c.Tick(s.Now.Add(2 * time.Minute))
	if z := c.Sizes(); z.HeldBytes != 0 || z.Waiting != 0 {
		t.Errorf("left over: %+v", z)
	}
	last := s.Events[len(s.Events)-1]
	last.Time = s.Now.Add(3 * time.Minute)
	c.Handle(&last)
	empty(t, c, last.Time)
	if r := c.Report(last.Time); !r.Connections[0].Incomplete || r.Lost.SequenceGaps == 0 {
		t.Errorf("%+v", r.Lost)
	}
}
