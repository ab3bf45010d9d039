// SPDX-License-Identifier: Apache-2.0

// Package shake has crypto/tls talk to itself, for tests that want the bytes
// of real TLS connections.
package shake

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
	"io"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Line is plaintext that one side sends.
type Line struct {
	Server bool
	Text   string
}

// Said is one write of one side. Those of the handshake are of line -1, and
// what is said at the end, by the client first, comes after the last line.
type Said struct {
	Line   int
	Server bool
	Bytes  []byte
}

// tap keeps what one side writes.
type tap struct {
	net.Conn
	server bool
	log    *record
}

type record struct {
	sync.Mutex
	line int
	all  []Said
}

func (t *tap) Write(b []byte) (int, error) {
	t.log.Lock()
	t.log.all = append(t.log.all, Said{t.log.line, t.server, bytes.Clone(b)})
	t.log.Unlock()
	return t.Conn.Write(b)
}

// Talk returns what the two write: a handshake, the lines, the end.
func Talk(t testing.TB, client, server *tls.Config, lines ...Line) []Said {
	t.Helper()
	a, b := connected(t)
	defer a.Close()
	defer b.Close()
	log := record{line: -1}
	near, far := tls.Client(&tap{a, false, &log}, client), tls.Server(&tap{b, true, &log}, server)
	done := make(chan error, 1)
	go func() { done <- far.Handshake() }()
	must(t, near.Handshake())
	must(t, <-done)
	for i, l := range lines {
		from, to := near, far
		if l.Server {
			from, to = far, near
		}
		log.Lock()
		log.line = i
		log.Unlock()
		go func() {
			_, err := from.Write([]byte(l.Text))
			done <- err
		}()
		_, err := io.ReadFull(to, make([]byte, len(l.Text)))
		must(t, err)
		must(t, <-done)
	}
	log.line = len(lines)
	must(t, near.CloseWrite())
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("the client's end reads as %v", err)
	}
	must(t, far.CloseWrite())
	return log.all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connected returns the ends of a connection that does not block who writes.
func connected(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	a, err = net.Dial("tcp", l.Addr().String())
	must(t, err)
	b, err = l.Accept()
	must(t, err)
	return a, b
}

// Certificate returns one with a common name and names, which are URIs or DNS
// names.
func Certificate(t testing.TB, common string, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return signed(t, key, common, names)
}

// CertificateRSA returns one with the other kind of key.
func CertificateRSA(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return signed(t, key, "", names)
}

func signed(t testing.TB, key crypto.Signer, common string, names []string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: common}, NotAfter: time.Now().Add(time.Hour)}
	for _, n := range names {
		if u, err := url.Parse(n); err == nil && u.Scheme != "" {
			template.URIs = append(template.URIs, u)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
