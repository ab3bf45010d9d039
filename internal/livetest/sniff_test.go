// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
)

// TestFoundByContent: SIP on a port that nobody named, its first bytes cut at
// odd places, and with keep-alives before them.
func TestFoundByContent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		prefix string
		cuts   []int
	}{
		{"whole", "", nil},
		{"first letter", "", []int{1}},
		{"within the method", "", []int{3}},
		{"after the method", "", []int{7, 8}},
		{"letter by letter", "", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{"within the scheme", "", []int{10}},
		{"before the colon", "", []int{11}},
		{"after a ping", "\r\n\r\n", []int{4}},
		{"after a ping, cut", "\r\n\r\n", []int{1, 3, 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLink(t)
			w := startWatch(t, l, live.Options{})
			server := at(l.b.v4, contentPort)
			listener := l.b.listen(t, server)
			client := &reader{conn: l.a.dial(t, netip.AddrPort{}, server)}
			served := &reader{conn: accept(t, listener)}
			m := append([]byte(tt.prefix), request("OPTIONS", "TCP", client.conn.LocalAddr())...)
			at := 0
			for _, cut := range append(tt.cuts, len(m)) {
				write(t, client.conn, m[at:cut])
				for at = cut; served.bytes < cut; { // a segment each
					if err := served.fill(); err != nil {
						t.Fatal(err)
					}
				}
			}
			served.must(t, 1)
			answer(t, served, client)
			client.conn.Close()
			served.eof(t)
			served.conn.Close()
			w.pair(client, served, facts{RequestsOut: 1, ResponsesIn: 1, PingsOut: uint32(len(tt.prefix) / 4), By: "local", How: "fin", Closed: true})
		})
	}
}

// TestNotSIP: what is no SIP on a port that nobody named is not reported.
func TestNotSIP(t *testing.T) {
	l := newLink(t)
	w := startWatch(t, l, live.Options{})
	listener := l.b.listen(t, at(l.b.v4, contentPort))
	for _, talk := range [][2]string{
		{"GET /sip:a@example.com HTTP/1.1\r\nHost: example.com\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"},
		{"EHLO example.com\r\n", "250 example.com\r\n"},
		{"\x00\x01\x02\x03", "\xff\xfe\xfd\xfc"},
	} {
		client := l.a.dial(t, netip.AddrPort{}, at(l.b.v4, contentPort))
		served := accept(t, listener)
		for range 3 {
			carry(t, client, served, talk[0])
			carry(t, served, client, talk[1])
		}
		client.Close()
		served.Close()
	}
	// What comes later is reported, so the others would have been.
	mark := &reader{conn: l.a.dial(t, netip.AddrPort{}, at(l.b.v4, contentPort))}
	served := &reader{conn: accept(t, listener)}
	ask(t, mark, served)
	answer(t, served, mark)
	w.pair(mark, served, facts{RequestsOut: 1, ResponsesIn: 1})
}

// carry sends what to the other end, which reads all of it.
func carry(t *testing.T, from, to net.Conn, what string) {
	t.Helper()
	write(t, from, []byte(what))
	to.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(to, make([]byte, len(what))); err != nil {
		t.Fatal(err)
	}
}

// TestTLS: SIP over TLS is reported by its life cycle where nobody looks inside.
func TestTLS(t *testing.T) {
	l := newLink(t)
	w := startWatch(t, l, live.Options{NoTLS: true})
	server := at(l.b.v4, 5061)
	listener := l.b.listen(t, server)
	inner := l.a.dial(t, netip.AddrPort{}, server)
	accepted := accept(t, listener)
	served := tls.Server(accepted, &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
	client := tls.Client(inner, &tls.Config{InsecureSkipVerify: true})
	failed := make(chan error, 1)
	go func() {
		r := &reader{conn: served}
		m, err := r.message()
		if err == nil {
			_, err = served.Write(reply(m, "200 OK"))
		}
		failed <- err
	}()
	write(t, client, request("OPTIONS", "TLS", client.LocalAddr()))
	(&reader{conn: client}).must(t, 1)
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	client.Close()
	(&reader{conn: served}).eof(t)
	accepted.Close() // served would send an alert, to nobody
	want := facts{
		Transport: "tls", Process: own(), Initiator: "local", HandshakeMeasured: true, OpenedKnown: true, Closed: true,
		By: "local", How: "fin", Class: "undetermined",
	}
	w.finally(func(r *report.Report) string {
		near, far := one(r, "tls", addrOf(inner.LocalAddr()), server), one(r, "tls", server, addrOf(inner.LocalAddr()))
		if near == nil || far == nil || len(r.Connections) != 2 {
			return fmt.Sprintf("%d connections, want the two ends of one", len(r.Connections))
		}
		// The kernel counts; more than the messages, since TLS adds to them.
		if near.BytesSent != far.BytesReceived || near.BytesReceived != far.BytesSent || near.BytesSent < 500 || near.BytesReceived < 500 {
			return fmt.Sprintf("%d bytes sent and %d received, and %d and %d at the other end", near.BytesSent, near.BytesReceived, far.BytesSent, far.BytesReceived)
		}
		want.BytesOut, want.BytesIn = near.BytesSent, near.BytesReceived
		return all(want.differs(factsOf(near)), want.mirrored(own()).differs(factsOf(far)))
	})
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
