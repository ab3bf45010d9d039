// SPDX-License-Identifier: Apache-2.0

// Package tlspeer builds and runs a SIP client and server on libssl, written in
// C, which does what real programs do with the library. See testdata/tlspeer.c.
package tlspeer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

//go:embed testdata/tlspeer.c
var source []byte

var built struct {
	sync.Mutex
	path string
}

// Build compiles the program, once for each test process, and returns its path.
func Build(t testing.TB) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.path != "" {
		return built.path
	}
	dir, err := os.MkdirTemp("", "tlspeer")
	if err != nil {
		t.Fatal(err)
	}
	if built.path, err = Compile(dir); err != nil {
		t.Fatal(err)
	}
	return built.path
}

// Compile puts the program into a directory and returns its path.
func Compile(dir string) (string, error) {
	c, path := filepath.Join(dir, "tlspeer.c"), filepath.Join(dir, "tlspeer")
	if err := os.WriteFile(c, source, 0o600); err != nil {
		return "", err
	}
	if out, err := exec.Command("gcc", "-O2", "-Wall", "-Wextra", "-o", path, c, "-lssl", "-lcrypto", "-lpthread").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the TLS peer: %w; gcc and libssl-dev are needed, scripts/setup.sh installs them\n%s", err, out)
	}
	return path, nil
}

// Certificate writes a self-signed certificate and its key for the test.
func Certificate(t testing.TB) (certificate, key string) {
	t.Helper()
	certificate, key, err := WriteCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// WriteCertificate writes a self-signed certificate and its key into a directory.
func WriteCertificate(dir string) (certificate, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"server.example.com"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return "", "", err
		}
	}
	return certificate, key, nil
}
