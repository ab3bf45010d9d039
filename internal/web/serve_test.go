// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The password is "test".
const scraper = "basic_auth_users:\n  scraper: $2a$04$j1/bHHe4VgGQOH2hxkM4LeNHtmjTX4fDaxe1tsFQyLxWo.PT4rXmm\n"

// serve answers on a loopback address until the test ends. Requests for it say
// that a proxy has passed them on, so that they count as the network's.
func serve(t *testing.T, configFile string) (address string) {
	t.Helper()
	all, err := Listen([]string{"127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, all, Options{
			Metrics:    http.NotFoundHandler(),
			Private:    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "calls") }),
			ConfigFile: configFile,
			Log:        slog.New(slog.DiscardHandler),
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return all[0].Addr().String()
}

func fetch(t *testing.T, client *http.Client, url, user, password string) int {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	w, err := client.Do(r)
	if err != nil {
		t.Log(err)
		return 0
	}
	defer w.Body.Close()
	if body, err := io.ReadAll(w.Body); err != nil || w.StatusCode == 200 && string(body) != "calls" {
		t.Errorf("%q %v", body, err)
	}
	return w.StatusCode
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Who gives the password is known; when the file names nobody any more, the
// toolkit lets all requests pass, and nobody is.
func TestKnownByPassword(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "web.yml"), scraper)
	url := "http://" + serve(t, file) + "/"
	for _, tt := range []struct {
		text           string
		user, password string
		status         int
	}{
		{scraper, "", "", 401},
		{scraper, "scraper", "wrong", 401},
		{scraper, "stranger", "test", 401},
		{scraper, "scraper", "test", 200},
		{"basic_auth_users: {}\n", "", "", 403},
		{"basic_auth_users: {}\n", "scraper", "test", 403},
		{"", "scraper", "test", 403},
		{"http_server_config: {http2: false}\n", "scraper", "test", 403},
		{"no_such_key: 1\n", "scraper", "test", 500},
		{scraper, "scraper", "test", 200},
	} {
		write(t, file, tt.text)
		if got := fetch(t, http.DefaultClient, url, tt.user, tt.password); got != tt.status {
			t.Errorf("%q, user %q, password %q: status %d, want %d", tt.text, tt.user, tt.password, got, tt.status)
		}
	}
	if knows("")(new(http.Request)) || knows(filepath.Join(t.TempDir(), "none"))(new(http.Request)) {
		t.Error("somebody is known without a file")
	}
}

// authority makes certificates, and signs them.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.make(name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// make writes name.pem and name.key; the first certificate signs the others.
func (a *authority) make(name string, c *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(1), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.cert == nil {
		a.cert, a.key = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	write(a.t, filepath.Join(a.dir, name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(a.t, filepath.Join(a.dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestKnownByCertificate(t *testing.T) {
	ours, others := newAuthority(t, "ca"), newAuthority(t, "ca")
	ours.make("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	client := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	good, bad := ours.make("client", client), others.make("client", client)
	pool := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(ours.dir, "ca.pem"))
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		asks                  string // of the configuration
		none, anybody, signed int
	}{
		{"", 403, 403, 403},
		{"client_auth_type: RequestClientCert, client_ca_file: ca.pem", 403, 403, 403},
		{"client_auth_type: RequireAnyClientCert, client_ca_file: ca.pem", 0, 403, 403},
		{"client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem", 403, 0, 200},
		{"client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem", 0, 0, 200},
		{"client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: [a.example.com]", 0, 0, 0},
	} {
		config := "tls_server_config: {cert_file: server.pem, key_file: server.key, " + tt.asks + "}\n"
		url := "https://" + serve(t, write(t, filepath.Join(ours.dir, "web.yml"), config)) + "/"
		with := func(certificates ...tls.Certificate) int {
			one := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(certificates) == 0 {
					return new(tls.Certificate), nil
				}
				return &certificates[0], nil // whatever authorities the server names
			}}}
			defer one.CloseIdleConnections()
			return fetch(t, &http.Client{Transport: one}, url, "", "")
		}
		if none, anybody, signed := with(), with(bad), with(good); none != tt.none || anybody != tt.anybody || signed != tt.signed {
			t.Errorf("%q: without a certificate %d, another authority's %d, ours %d; want %d %d %d",
				tt.asks, none, anybody, signed, tt.none, tt.anybody, tt.signed)
		}
	}
}

// A verified certificate does not count if the file names no authority: those
// of the system sign for anybody.
func TestAuthorityMustBeNamed(t *testing.T) {
	dir := t.TempDir()
	verified := &http.Request{TLS: &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}}
	for text, want := range map[string]bool{
		"tls_server_config: {client_auth_type: RequireAndVerifyClientCert}":                       false,
		"tls_server_config: {client_auth_type: RequireAndVerifyClientCert, client_ca_file: a}":    true,
		"tls_server_config: {client_auth_type: RequireAndVerifyClientCert, client_ca: \"-----\"}": true,
	} {
		if got := knows(write(t, filepath.Join(dir, "web.yml"), text))(verified); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

// Streams end when the agent does.
func TestServeEndsStreams(t *testing.T) {
	all, err := Listen([]string{"127.0.0.1:0", "[::1]:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, all, Options{Log: slog.New(slog.DiscardHandler), Private: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})})
	}()
	for _, l := range all {
		w, err := http.Get("http://" + l.Addr().String() + "/api/v1/stream")
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
	}
	began := time.Now()
	cancel()
	if err := <-ended; err != nil || time.Since(began) >= shutdownWait {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// One listener that fails ends them all.
func TestServeFails(t *testing.T) {
	all, err := Listen([]string{"127.0.0.1:0", "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	Close(all[1:])
	if err := Serve(t.Context(), all, Options{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "serve metrics") {
		t.Error(err)
	}
}
