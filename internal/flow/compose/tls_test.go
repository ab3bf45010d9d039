// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"testing"
)

// replay is a connection whose other end has said all that it will say.
type replay struct {
	net.Conn
	*bytes.Reader
}

func (r replay) Read(b []byte) (int, error)  { return r.Reader.Read(b) }
func (r replay) Write(b []byte) (int, error) { return len(b), nil }
func (r replay) Close() error                { return nil }

// TestHello: crypto/tls reads the ClientHello for what it says.
func TestHello(t *testing.T) {
	for version, highest := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		h := Handshake{Version: version, SNI: "example.com"}
		flights, err := h.Flights()
		if err != nil || !flights[0].Client {
			t.Fatal(err)
		}
		enough := errors.New("enough")
		var heard *tls.ClientHelloInfo
		err = tls.Server(replay{Reader: bytes.NewReader(flights[0].Bytes)}, &tls.Config{
			GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
				heard = i
				return nil, enough
			},
		}).Handshake()
		if !errors.Is(err, enough) || heard.ServerName != "example.com" || slices.Max(heard.SupportedVersions) != highest {
			t.Errorf("%s: %v, %+v", version, err, heard)
		}
	}
}

// TestCertificate: the same names give the same certificate, which has them.
func TestCertificate(t *testing.T) {
	names := []string{"CN=Example", "sip:example.com", "sip.example.com"}
	one, err := selfSigned(names)
	if err != nil {
		t.Fatal(err)
	}
	two, _ := selfSigned(names)
	if !bytes.Equal(one, two) {
		t.Error("two certificates of the same names differ")
	}
	c, err := x509.ParseCertificate(one)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject.CommonName != "Example" || c.URIs[0].String() != "sip:example.com" || !slices.Equal(c.DNSNames, names[2:]) {
		t.Errorf("%v %v %v", c.Subject, c.URIs, c.DNSNames)
	}
	if _, err := selfSigned([]string{"\u00e9.example.com"}); err == nil {
		t.Error("a name that no certificate can have")
	}
}
