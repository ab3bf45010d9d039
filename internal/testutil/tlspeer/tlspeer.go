// SPDX-License-Identifier: Apache-2.0

// Package tlspeer builds and runs a SIP client and server on libssl, written in
// C, which does what real programs do with the library, and clients on Mbed
// TLS and GnuTLS. See testdata.
package tlspeer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

//go:embed testdata/tlspeer.c testdata/mbedpeer.c testdata/gnutlspeer.c
var sources embed.FS

// libraries are what each program is linked with.
var libraries = map[string][]string{
	"tlspeer":    {"-lssl", "-lcrypto"},
	"mbedpeer":   {"-lmbedtls", "-lmbedx509", "-lmbedcrypto"},
	"gnutlspeer": {"-lgnutls"},
}

var built struct {
	sync.Mutex
	paths map[string]string
}

// Build compiles the peer on libssl, once for each test process, and returns its
// path.
func Build(t testing.TB) string {
	t.Helper()
	return once(t, "tlspeer")
}

// BuildMbed is [Build] for the client on Mbed TLS, see testdata/mbedpeer.c.
func BuildMbed(t testing.TB) string {
	t.Helper()
	return once(t, "mbedpeer")
}

// BuildGnuTLS is [Build] for the client on GnuTLS, see testdata/gnutlspeer.c.
func BuildGnuTLS(t testing.TB) string {
	t.Helper()
	return once(t, "gnutlspeer")
}

// BuildFor compiles tlspeer, mbedpeer or gnutlspeer with the libraries, libc
// among them, whose headers lie under root, puts it into dir and returns its path.
func BuildFor(t testing.TB, root, dir, name string) string {
	t.Helper()
	path, err := compile(dir, name, root)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func once(t testing.TB, name string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if path := built.paths[name]; path != "" {
		return path
	}
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		t.Fatal(err)
	}
	path, err := compile(dir, name, "")
	if err != nil {
		t.Fatal(err)
	}
	if built.paths == nil {
		built.paths = make(map[string]string)
	}
	built.paths[name] = path
	return path
}

// Compile puts tlspeer, mbedpeer or gnutlspeer into a directory and returns its
// path.
func Compile(dir, name string) (string, error) {
	return compile(dir, name, "")
}

// compile builds for this machine if no root is given.
func compile(dir, name, root string) (string, error) {
	source, err := sources.ReadFile("testdata/" + name + ".c")
	if err != nil {
		return "", err
	}
	c, path := filepath.Join(dir, name+".c"), filepath.Join(dir, name)
	if err := os.WriteFile(c, source, 0o600); err != nil {
		return "", err
	}
	args := []string{"-O2", "-Wall", "-Wextra", "-o", path, c}
	if root != "" {
		// Debian's gcc looks for libraries of its machine's kind outside of a root, too.
		kind, err := exec.Command("gcc", "-print-multiarch").Output()
		if err != nil {
			return "", fmt.Errorf("build %s: ask gcc for the machine's kind: %w; scripts/setup.sh installs gcc", name, err)
		}
		place := filepath.Join(root, "usr/lib", strings.TrimSpace(string(kind)))
		args = append(args, "--sysroot="+root, "-B"+place, "-L"+place)
	}
	args = append(append(args, libraries[name]...), "-lpthread")
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w; gcc and the library's headers are needed, scripts/setup.sh installs them\n%s", name, err, out)
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
