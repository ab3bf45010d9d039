// SPDX-License-Identifier: Apache-2.0

package tlswire

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"reflect"
	"sync"
	"testing"
	"time"
)

// said is one write of one side.
type said struct {
	side  int // 0: client
	bytes []byte
}

// tap keeps what both sides of a pipe write, in order.
type tap struct {
	net.Conn
	side int
	log  *conversation
}

type conversation struct {
	mu  sync.Mutex
	all []said
}

func (t *tap) Write(b []byte) (int, error) {
	t.log.mu.Lock()
	t.log.all = append(t.log.all, said{t.side, bytes.Clone(b)})
	t.log.mu.Unlock()
	return t.Conn.Write(b)
}

// connected returns the ends of a connection that does not block who writes.
func connected(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// talk has the two shake hands, and write each of the texts and read it back.
func talk(t *testing.T, client, server *tls.Config, texts ...string) []said {
	t.Helper()
	a, b := connected(t)
	var log conversation
	near, far := tls.Client(&tap{a, 0, &log}, client), tls.Server(&tap{b, 1, &log}, server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(far, far)
		far.Close()
	}()
	if len(texts) == 0 {
		texts = []string{"x"}
	}
	for _, text := range texts {
		if _, err := near.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(near, make([]byte, len(text))); err != nil {
			t.Fatal(err)
		}
	}
	near.Close()
	<-done
	return log.all
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
func heard(all []said, most int) *listener {
	l := &listener{}
	for _, s := range all {
		for b := s.bytes; len(b) > 0; {
			n := len(b)
			if most > 0 {
				n = min(n, 1+mathrand.IntN(most))
			}
			l.hear(s.side, b[:n])
			b = b[n:]
		}
	}
	return l
}

func keyOf(t *testing.T, useRSA bool) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if useRSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certified returns a certificate with the names.
func certified(t *testing.T, useRSA bool, common string, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: common}, NotAfter: time.Now().Add(time.Hour)}
	for _, n := range names {
		if u, err := url.Parse(n); err == nil && u.Scheme != "" {
			template.URIs = append(template.URIs, u)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	key := keyOf(t, useRSA)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestSession: what is read of handshakes, however their bytes come.
func TestSession(t *testing.T) {
	server := certified(t, false, "", "sip:example.com", "sip.example.com", "*.example.net")
	client := certified(t, false, "unused", "sip:example.org")
	nameOnly := certified(t, false, "example.org")
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
			all := talk(t, tt.client, tt.server)
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
			Certificates: []tls.Certificate{certified(t, false, "", "example.org")}}
		server := &tls.Config{Certificates: []tls.Certificate{certified(t, false, "", "example.com")}, MaxVersion: version,
			ClientAuth: tls.RequireAnyClientCert}
		first, second := heard(talk(t, client, server), 0), heard(talk(t, client, server), 5)
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
	ecdsaCert, rsaCert := certified(t, false, "", "example.com"), certified(t, true, "", "example.com")
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
				l := heard(talk(t, client, server, "\r\n\r\n", "\r\n"), 0)
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
