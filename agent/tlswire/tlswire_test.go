// SPDX-License-Identifier: Apache-2.0

package tlswire

import (
	"crypto/tls"
	"fmt"
	mathrand "math/rand/v2"
	"reflect"
	"testing"

	"github.com/viaduct-project/viaduct/agent/internal/shake"
)

// sideOf numbers the client 0.
func sideOf(s shake.Said) int {
	if s.Server {
		return 1
	}
	return 0
}

// listener reads a conversation as the core does.
type listener struct {
	Handshake
	readers [2]Reader
	records [2][]Record
}

func (l *listener) hear(side int, b []byte) {
	var item Item
	for r := &l.readers[side]; len(b) > 0; {
		b = r.Next(b, &item)
		if item.Begins {
			l.records[side] = append(l.records[side], item.Record)
		}
		if len(item.Content) > 0 {
			l.Content(side, item.Type, item.Content)
		}
	}
}

// heard listens in pieces of at most so many bytes.
func heard(all []shake.Said, most int) *listener {
	l := &listener{}
	for _, s := range all {
		for b := s.Bytes; len(b) > 0; {
			n := len(b)
			if most > 0 {
				n = min(n, 1+mathrand.IntN(most))
			}
			l.hear(sideOf(s), b[:n])
			b = b[n:]
		}
	}
	return l
}

// TestSession: what is read of handshakes, however their bytes come.
func TestSession(t *testing.T) {
	server := shake.Certificate(t, "", "sip:example.com", "sip.example.com", "*.example.net")
	client := shake.Certificate(t, "unused", "sip:example.org")
	nameOnly := shake.Certificate(t, "example.org")
	serverNames := &Names{URIs: []string{"sip:example.com"}, DNS: []string{"sip.example.com", "*.example.net"}, alts: true}
	for _, tt := range []struct {
		name   string
		client *tls.Config
		server *tls.Config
		want   Session
	}{
		{"1.3", &tls.Config{ServerName: "example.com"}, &tls.Config{}, Session{Version: TLS13, SNI: "example.com", Resumed: No}},
		{"1.3 with what is encrypted there", &tls.Config{NextProtos: []string{"sip", "sip/2"}, Certificates: []tls.Certificate{client}},
			&tls.Config{NextProtos: []string{"sip/2"}, ClientAuth: tls.RequestClientCert}, Session{Version: TLS13, Offered: []string{"sip", "sip/2"}, Resumed: No}},
		{"1.3 with another ClientHello", &tls.Config{ServerName: "example.com", CurvePreferences: []tls.CurveID{tls.CurveP256, tls.X25519}},
			&tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}}, Session{Version: TLS13, SNI: "example.com", Resumed: No}},
		{"1.2", &tls.Config{ServerName: "sip.example.com", NextProtos: []string{"sip"}}, &tls.Config{MaxVersion: tls.VersionTLS12, NextProtos: []string{"sip"}},
			Session{Version: TLS12, SNI: "sip.example.com", Offered: []string{"sip"}, ALPN: "sip", Resumed: No, Client: ClientNotAsked, ServerNames: serverNames}},
		{"1.2, no certificate is shown", &tls.Config{}, &tls.Config{MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert},
			Session{Version: TLS12, Resumed: No, Client: ClientNone, ServerNames: serverNames}},
		{"1.2, one is shown", &tls.Config{Certificates: []tls.Certificate{client}}, &tls.Config{MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert},
			Session{Version: TLS12, Resumed: No, Client: ClientGiven, ServerNames: serverNames,
				ClientNames: &Names{URIs: []string{"sip:example.org"}, Common: "unused", alts: true}}},
		{"1.2, one with a common name only", &tls.Config{Certificates: []tls.Certificate{nameOnly}}, &tls.Config{MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert},
			Session{Version: TLS12, Resumed: No, Client: ClientGiven, ServerNames: serverNames, ClientNames: &Names{Common: "example.org"}}},
		{"1.0", &tls.Config{MinVersion: tls.VersionTLS10}, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10},
			Session{Version: TLS10, Resumed: No, Client: ClientNotAsked, ServerNames: serverNames}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.client.InsecureSkipVerify = true
			tt.server.Certificates = []tls.Certificate{server}
			all := shake.Talk(t, tt.client, tt.server)
			tt.want.Hello = true
			for _, most := range []int{0, 1, 7, 300} {
				got := heard(all, most).Session
				tt.want.Suite = got.Suite
				if got.Suite == 0 || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("in pieces of %d:\n%+v\nwant\n%+v", most, got, tt.want)
				}
			}
		})
	}
}

// TestResumed: of a session that goes on, no certificate is known.
func TestResumed(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := &tls.Config{InsecureSkipVerify: true, ServerName: "example.com", ClientSessionCache: tls.NewLRUClientSessionCache(1),
			Certificates: []tls.Certificate{shake.Certificate(t, "", "example.org")}}
		server := &tls.Config{Certificates: []tls.Certificate{shake.Certificate(t, "", "example.com")}, MaxVersion: version,
			ClientAuth: tls.RequireAnyClientCert}
		first, second := heard(shake.Talk(t, client, server, shake.Line{Text: "x"}, shake.Line{Server: true, Text: "x"}), 0), heard(shake.Talk(t, client, server, shake.Line{Text: "x"}, shake.Line{Server: true, Text: "x"}), 5)
		if first.Resumed != No || second.Resumed != Yes {
			t.Errorf("%#x: resumed %d, then %d", version, first.Resumed, second.Resumed)
		}
		if second.Client != ClientUnknown || second.ServerNames != nil || second.ClientNames != nil {
			t.Errorf("%#x: %+v", version, second.Session)
		}
	}
}

// TestOverhead: for every cipher suite of Go's, the length of a keep-alive's
// record is what Overhead says, or Overhead says nothing.
func TestOverhead(t *testing.T) {
	ecdsaCert, rsaCert := shake.Certificate(t, "", "example.com"), shake.CertificateRSA(t, "example.com")
	known := 0
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		for _, version := range suite.SupportedVersions {
			t.Run(fmt.Sprint(suite.Name, " ", VersionName(version)), func(t *testing.T) {
				client := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
				server := &tls.Config{Certificates: []tls.Certificate{ecdsaCert, rsaCert}, MinVersion: version, MaxVersion: version}
				if version < tls.VersionTLS13 {
					server.CipherSuites = []uint16{suite.ID}
					client.CipherSuites = []uint16{suite.ID}
				}
				l := heard(shake.Talk(t, client, server, shake.Line{Text: "\r\n\r\n"}, shake.Line{Text: "\r\n"}), 0)
				if version < tls.VersionTLS13 && l.Suite != suite.ID {
					t.Fatalf("the suite is %#x", l.Suite)
				}
				n, ok := Overhead(l.Version, l.Suite)
				if !ok {
					return
				}
				known++
				// The client's last two, but for TLS 1.3's closure alert, which looks the same.
				var lengths []int
				for _, r := range l.records[0] {
					if r.Type == ApplicationData {
						lengths = append(lengths, r.Length)
					}
				}
				if version == tls.VersionTLS13 {
					if alert := lengths[len(lengths)-1]; alert != 2+n {
						t.Errorf("the closure alert has %d bytes", alert)
					}
					lengths = lengths[:len(lengths)-1]
				}
				if at := len(lengths) - 2; at < 0 || lengths[at] != 4+n || lengths[at+1] != 2+n {
					t.Errorf("records of %v bytes, want %d and %d at the end", lengths, 4+n, 2+n)
				}
			})
		}
	}
	if known < 8 {
		t.Errorf("only %d suites are known", known)
	}
}

func TestIdentities(t *testing.T) {
	for _, tt := range []struct {
		names Names
		want  []string
	}{
		{Names{}, nil},
		{Names{Common: "example.com"}, []string{"example.com"}},
		{Names{Common: "example.com", alts: true}, nil},
		{Names{Common: "example.com", DNS: []string{"sip.example.com"}, alts: true}, []string{"sip.example.com"}},
		{Names{DNS: []string{"sip.example.com"}, URIs: []string{"sip:example.com"}, alts: true}, []string{"example.com"}},
		{Names{DNS: []string{"sip.example.com"}, URIs: []string{"sip:alice@example.com"}, alts: true}, nil},
		{Names{URIs: []string{"sip:example.com:5061", "SIP:Example.NET"}, alts: true}, []string{"example.com", "Example.NET"}},
	} {
		if got := tt.names.Identities(); len(got)+len(tt.want) > 0 && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.names, got, tt.want)
		}
	}
	n := Names{DNS: []string{"*.example.com", "Example.NET"}, alts: true}
	for domain, want := range map[string]bool{"example.net": true, "EXAMPLE.net.": true, "a.example.com": false, "*.example.com": true, "ample.net": false} {
		if n.Cover(domain) != want {
			t.Errorf("%s: %t", domain, !want)
		}
	}
}
