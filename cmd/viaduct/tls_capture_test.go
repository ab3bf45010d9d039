// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// shown is what a report says of what a TLS connection shows on the wire.
type shown struct {
	TLS            report.TLS
	Pings, Pongs   [2]uint32
	ToldByLength   bool
	Sent, Received uint64
	Closed         bool
}

func shownBy(c *report.Connection) shown {
	k := c.Keepalives
	s := shown{*c.TLS, [2]uint32{k.PingsSent, k.PingsReceived}, [2]uint32{k.PongsSent, k.PongsReceived}, k.ToldByLength, c.BytesSent, c.BytesReceived, c.Closed != nil}
	s.TLS.Plaintext, s.TLS.Opaque = "", nil // a capture never shows it, and knows no process to blame
	return s
}

// TestTLSCaptured: what the kernel and the packets tell of TLS connections is
// the same, and is what they were.
func TestTLSCaptured(t *testing.T) {
	testutil.RequireRoot(t)
	const address = "127.66.7.1"
	lo := sniff(t, "lo")
	watch, err := live.Start(live.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- watch.Run(ctx) }()

	client := &tls.Config{InsecureSkipVerify: true, ServerName: "example.com", Certificates: []tls.Certificate{certified(t, "example.org")}}
	server := &tls.Config{Certificates: []tls.Certificate{certified(t, "example.com")}, ClientAuth: tls.RequestClientCert, NextProtos: []string{"sip"}}
	versions := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	clients := make(map[string]string) // versions, by address
	for name, version := range versions {
		client.MaxVersion = version
		clients[converse(t, address, client, server)] = name
	}
	const sockets = 4
	mine := func(c *report.Connection) bool {
		_, local := clients[c.Local]
		_, remote := clients[c.Remote]
		return local || remote
	}
	closed := func() bool {
		r := report.Only(watch.Report(), mine)
		n := 0
		for i := range r.Connections {
			if r.Connections[i].Closed != nil {
				n++
			}
		}
		return n == sockets
	}
	for deadline := time.Now().Add(20 * time.Second); !closed(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the connections have not closed")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := watch.Finish(); err != nil {
		t.Fatal(err)
	}
	seen := report.Only(watch.Report(), mine)

	var file bytes.Buffer
	lo.write(t, &file, event.At(time.Now()))
	core := agent.New(agent.Config{Source: "pcap"})
	read, err := capture.Read(t.Context(), &file, track.Options{Local: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, core)
	if err != nil || read.Cut != nil {
		t.Fatal(err, read)
	}
	captured := make(map[[2]string]*report.Connection)
	r := captureReport(core, read, true)
	for i := range r.Connections {
		captured[[2]string{r.Connections[i].Local, r.Connections[i].Remote}] = &r.Connections[i]
	}
	if len(seen.Connections) != sockets {
		t.Fatalf("%d connections", len(seen.Connections))
	}
	for i := range seen.Connections {
		c := &seen.Connections[i]
		other := captured[[2]string{c.Local, c.Remote}]
		if other == nil {
			t.Fatalf("%s to %s is not in the capture", c.Local, c.Remote)
		}
		got := shownBy(c)
		if g := shownBy(other); !reflect.DeepEqual(g, got) {
			t.Errorf("%s to %s:\ncaptured %+v\nlive     %+v", c.Local, c.Remote, g, got)
		}
		want := shown{ToldByLength: true, Sent: got.Sent, Received: got.Received, Closed: true, Pings: [2]uint32{2, 1}, Pongs: [2]uint32{1, 2}}
		version, isClient := clients[c.Local]
		if !isClient {
			version = clients[c.Remote]
			want.Pings, want.Pongs = [2]uint32{1, 2}, [2]uint32{2, 1}
		}
		want.TLS = report.TLS{
			Version: &version, SNI: report.Ref("example.com"), Resumed: report.Ref(false), ALPNOffered: []string{},
			ClientCertificate: "unknown", ClientNames: []string{}, ServerNames: []string{},
		}
		if version == "1.2" {
			want.TLS.ClientCertificate, want.TLS.ClientNames, want.TLS.ServerNames = "given", []string{"example.org"}, []string{"example.com"}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s to %s:\ngot  %+v\nwant %+v", c.Local, c.Remote, got, want)
		}
	}
}

// converse has two ends shake hands, exchange messages and keep-alives and end
// it, and returns the client's address.
func converse(t *testing.T, address string, client, server *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "5061"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a, b := tls.Client(near, client), tls.Server(far, server)
	say := func(from, to *tls.Conn, what string) {
		t.Helper()
		failed := make(chan error, 1)
		go func() {
			_, err := from.Write([]byte(what))
			failed <- err
		}()
		if _, err := io.ReadFull(to, make([]byte, len(what))); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	say(a, b, string(sipLike(40_000)))
	say(b, a, string(sipLike(500)))
	for _, client := range []bool{true, true, false} {
		from, to := a, b
		if !client {
			from, to = b, a
		}
		say(from, to, "\r\n\r\n")
		say(to, from, "\r\n")
	}
	a.Close()
	if _, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	far.Close()
	return near.LocalAddr().String()
}

func sipLike(n int) []byte { return bytes.Repeat([]byte("x"), n) }

func certified(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
