// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// tapped keeps what was written.
type tapped struct {
	*net.TCPConn
	mu      sync.Mutex
	written []byte
	pieces  int // each write goes out in so many segments, if not 0
}

func (c *tapped) Write(b []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = append(c.written, b...)
	size := len(b)
	if c.pieces > 0 {
		size = max(1, len(b)/c.pieces)
	}
	for len(b) > 0 {
		m, err := c.TCPConn.Write(b[:min(size, len(b))])
		n, b = n+m, b[m:]
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Of a TLS connection the handshake and the header of each record go up, at
// both ends, however records and segments lie across each other.
func TestTLSRecordsOnTheWire(t *testing.T) {
	const address = "127.66.1.9"
	for _, tt := range []struct {
		name    string
		version uint16
		pieces  int
		sizes   []int // of plaintext
	}{
		{"TLS 1.3", tls.VersionTLS13, 0, []int{4, 2, 700, 1400, 16384, 60_000, 4}},
		{"TLS 1.2", tls.VersionTLS12, 0, []int{4, 2, 700, 1400, 16384, 60_000, 4}},
		{"headers and records split", tls.VersionTLS13, 30, []int{4, 2, 700, 30_000, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := record(t, Options{}, address)
			c, s := connect(t, address, 5061)
			client, server := &tapped{TCPConn: c, pieces: tt.pieces}, &tapped{TCPConn: s}
			near := tls.Client(client, &tls.Config{InsecureSkipVerify: true, MinVersion: tt.version, MaxVersion: tt.version})
			far := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}})
			go io.Copy(far, far)
			for _, n := range tt.sizes {
				b := make([]byte, n)
				if _, err := near.Write(b); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(near, b); err != nil {
					t.Fatal(err)
				}
			}
			port := c.LocalAddr().(*net.TCPAddr).Port
			r.until(func(events []event.Event) string {
				got := wires(events)
				client.mu.Lock()
				defer client.mu.Unlock()
				server.mu.Lock()
				defer server.mu.Unlock()
				for key, want := range map[string][]byte{
					fmt.Sprint(port, " out"): client.written, "5061 in": client.written,
					"5061 out": server.written, fmt.Sprint(port, " in"): server.written,
				} {
					if missing := differs(got[key], want); missing != "" {
						return key + ": " + missing
					}
				}
				return ""
			})
			r.stop()
			sent := 0
			for _, e := range r.events {
				sent += len(e.Payload)
			}
			if all := 2 * (len(client.written) + len(server.written)); tt.pieces == 0 && sent > all/4 {
				t.Errorf("%d bytes of %d went up", sent, all)
			}
		})
	}
}

// wire is what is known of one direction: bytes, and which of them.
type wire struct{ bytes, known []byte }

func wires(events []event.Event) map[string]*wire {
	base := make(map[string]uint32)
	all := make(map[string]*wire)
	for _, e := range events {
		in, out := fmt.Sprint(e.Local.Port(), " in"), fmt.Sprint(e.Local.Port(), " out")
		switch e.Kind {
		case event.Opened:
			base[in], base[out] = e.NextIn, e.NextOut
		case event.Record:
			key := in
			if e.Direction == event.Out {
				key = out
			}
			w := all[key]
			if w == nil {
				w = &wire{make([]byte, 1<<18), make([]byte, 1<<18)}
				all[key] = w
			}
			at := int(e.Seq - base[key])
			copy(w.bytes[at:], e.Payload)
			copy(w.known[at:], bytes.Repeat([]byte{1}, len(e.Payload)))
		}
	}
	return all
}

// differs walks over the records that were written.
func differs(got *wire, written []byte) string {
	if got == nil {
		return "nothing was seen"
	}
	for at := 0; at+5 <= len(written); {
		length := 5 + int(written[at+3])<<8 + int(written[at+4])
		need := length
		if written[at] == 23 {
			need = 5
		}
		if bytes.IndexByte(got.known[at:at+need], 0) >= 0 || !bytes.Equal(got.bytes[at:at+need], written[at:at+need]) {
			return fmt.Sprintf("the record at %d (% x) was not seen", at, written[at:at+5])
		}
		at += length
	}
	return ""
}

func selfSigned(t *testing.T) tls.Certificate {
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
