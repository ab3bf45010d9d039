// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
)

// kamailioTLS starts a server on port 5061 that asks for the client's
// certificate.
func kamailioTLS(t *testing.T, n *namespace) {
	t.Helper()
	dir := t.TempDir()
	pair := certificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`#!KAMAILIO
log_stderror=yes
children=1
tcp_children=2
dns=no
rev_dns=no
auto_aliases=no
enable_tls=yes
listen=tls:%s:5061
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "%[2]s/cert.pem")
modparam("tls", "private_key", "%[2]s/key.pem")
modparam("tls", "verify_certificate", 1)
modparam("tls", "ca_list", "%[2]s/cert.pem")
request_route {
	sl_send_reply("200", "OK");
}
`, n.v4, dir)
	for name, text := range map[string][]byte{
		"kamailio.cfg": []byte(config),
		"cert.pem":     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		"key.pem":      pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.start(t, "kamailio", "-f", filepath.Join(dir, "kamailio.cfg"), "-DD", "-E", "-Y", dir, "-m", "16", "-M", "4")
	n.bound(t, "tcp", 5061)
}

// TestKamailioTLS: what both ends of connections to a Kamailio with OpenSSL
// show on the wire alone, pings and pongs by the lengths of their records among it.
func TestKamailioTLS(t *testing.T) {
	l := newLink(t)
	kamailioTLS(t, l.b)
	w := startWatch(t, l, live.Options{NoTLS: true})
	server := at(l.b.v4, 5061)
	type talk struct {
		client, version, certificate string
		pings                        uint32
	}
	var talks []talk
	for _, tt := range []struct {
		version uint16
		suite   uint16
		want    talk
	}{
		{tls.VersionTLS13, 0, talk{version: "1.3", certificate: "unknown", pings: 3}},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, talk{version: "1.2", certificate: "none", pings: 3}},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, talk{version: "1.2", certificate: "none", pings: 3}},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, talk{version: "1.2", certificate: "none"}},
	} {
		inner := l.a.dial(t, netip.AddrPort{}, server)
		config := &tls.Config{InsecureSkipVerify: true, ServerName: "example.com", MinVersion: tt.version, MaxVersion: tt.version}
		if tt.suite != 0 {
			config.CipherSuites = []uint16{tt.suite}
		}
		client := &reader{conn: tls.Client(inner, config)}
		write(t, client.conn, request("OPTIONS", "TLS", inner.LocalAddr()))
		client.answered(t, 1, 0)
		for n := range 3 {
			write(t, client.conn, []byte("\r\n\r\n"))
			client.answered(t, 1, n+1)
		}
		// With another message behind it the last pong cannot be a closure
		// alert; Kamailio may be the first to send its FIN.
		write(t, client.conn, request("OPTIONS", "TLS", inner.LocalAddr()))
		client.answered(t, 2, 3)
		if client.crlfs != 3 {
			t.Fatalf("Kamailio sent %d pongs", client.crlfs)
		}
		tt.want.client = inner.LocalAddr().String()
		talks = append(talks, tt.want)
		client.conn.Close()
	}
	w.finally(func(r *report.Report) string {
		for _, want := range talks {
			mine := netip.MustParseAddrPort(want.client)
			near, far := one(r, "tls", mine, server), one(r, "tls", server, mine)
			if near == nil || far == nil || near.Closed == nil || far.Closed == nil {
				return fmt.Sprintf("%s: not both ends, or not closed", mine)
			}
			for _, c := range []*report.Connection{near, far} {
				if c.TLS == nil || c.TLS.Version == nil || *c.TLS.Version != want.version || c.TLS.ClientCertificate != want.certificate ||
					c.TLS.SNI == nil || *c.TLS.SNI != "example.com" || (len(c.TLS.ServerNames) == 1) != (want.version == "1.2") {
					return fmt.Sprintf("%s: %s", c.Local, text(c.TLS))
				}
			}
			if near.TLS.Plaintext == "seen" || far.TLS.Plaintext == "seen" {
				return "plaintext is seen, though nobody was to look"
			}
			got := [2]uint32{near.Keepalives.PingsSent, near.Keepalives.PongsReceived}
			if got != [2]uint32{want.pings, want.pings} || near.Keepalives.ToldByLength != (want.pings > 0) {
				return fmt.Sprintf("%s: %s", near.Local, text(near.Keepalives))
			}
			if k := far.Keepalives; k.PingsReceived != want.pings || k.PongsSent != want.pings || k.Unanswered != 0 {
				return fmt.Sprintf("%s: %s", far.Local, text(k))
			}
		}
		return ""
	})
}
