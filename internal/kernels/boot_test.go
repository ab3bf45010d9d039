// SPDX-License-Identifier: Apache-2.0

//go:build kernels

package kernels

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

// Every program loads and attaches on every supported kernel, and what is
// reported on calls is what was played.
func TestKernels(t *testing.T) {
	binaries := map[string][]File{"amd64": append(build(t, "amd64"), openssl(t)...), "arm64": build(t, "arm64")}
	for _, name := range []string{"v6.1", "v6.12", "newest", "v6.1-arm64"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := []string{"check"}
			if !strings.HasSuffix(name, "-arm64") { // of OpenSSL we have this host's
				check = append(check, "libssl")
			}
			r := boot(t, name, binaries, append(check, "then", "/bin/viaduct", "doctor")...)
			compare(t, r)
			if len(r.Runs) != 1 || r.Runs[0].Exit != 0 {
				t.Fatalf("viaduct doctor: %+v, want exit code 0", r.Runs)
			}
			acts(t, name, r.Runs[0].Stdout)
		})
	}
	t.Run("v5.10", func(t *testing.T) {
		t.Parallel()
		refused(t, boot(t, "v5.10", binaries, "/bin/viaduct", "doctor", "then", "/bin/viaduct", "audit", "--for", "1s"))
	})
}

// acts wants of the doctor, who tries it on connections of his own, that they
// can be closed and protected. Only 6.5 brought bpf_sock_destroy; before it, hard
// closing needs the modules inet_diag and tcp_diag, which the guest has loaded.
func acts(t *testing.T, kernel, doctor string) {
	t.Helper()
	hard := `(?m)^close-hard +there +bpf_sock_destroy, in every network namespace$`
	if strings.HasPrefix(kernel, "v6.1") && !strings.HasPrefix(kernel, "v6.12") {
		hard = `(?m)^close-hard +there +sock_diag, in every network namespace$`
	}
	// Only 6.6 brought uprobe_multi.
	tls := `(?m)^tls +there +plaintext of OpenSSL, GnuTLS, Mbed TLS and Go's crypto/tls by uprobes \(uprobe_multi\)$`
	if strings.HasPrefix(kernel, "v6.1") && !strings.HasPrefix(kernel, "v6.12") {
		tls = `(?m)^tls +there +plaintext of OpenSSL, GnuTLS, Mbed TLS and Go's crypto/tls by uprobes, which need CAP_SYS_ADMIN here`
	}
	for _, want := range []string{
		`(?m)^close-gently +there `, hard, `(?m)^protect +there +bpf_setsockopt; `, tls,
		`(?m)^keepalive-tcp +there +bpf_setsockopt; `, `(?m)^keepalive-crlf +there +written under the socket's lock, `, `(?m)^keepalive-stun +there `,
	} {
		if !regexp.MustCompile(want).MatchString(doctor) {
			t.Errorf("the doctor does not say %s:\n%s", want, doctor)
		}
	}
}

// refused wants what a user of a kernel that is too old must see: one sentence
// that names it, no report, and exit code 2.
func refused(t *testing.T, r *Result) {
	t.Helper()
	if len(r.Runs) != 2 {
		t.Fatalf("%d commands ran, want 2", len(r.Runs))
	}
	for _, run := range r.Runs {
		name := strings.Join(run.Args, " ")
		if run.Exit != 2 {
			t.Errorf("%s: exit code %d, want 2", name, run.Exit)
		}
		said := run.Stderr
		if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "viaduct: ") ||
			!strings.Contains(said, r.Release) || !strings.Contains(said, "5.15") {
			t.Errorf("%s: stderr %q, want one line that names the kernel and the oldest one that will do", name, said)
		}
	}
	if audit := r.Runs[1]; audit.Stdout != "" {
		t.Errorf("the audit printed %q, want nothing", audit.Stdout)
	}
}

// boot runs the guest with args on the kernel called name. A step that failed
// fails the test.
func boot(t *testing.T, name string, binaries map[string][]File, args ...string) *Result {
	t.Helper()
	k, err := Open(dir(), name)
	if err != nil {
		t.Fatal(err)
	}
	initramfs := pack(t, append(modules(t, name), binaries[k.Machine.GOARCH]...))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	start := time.Now()
	console, err := Boot(ctx, k, initramfs, args...)
	took := time.Since(start)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console of %s:\n%s", name, console)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parse(console)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s ran for %.1f s", r.Release, took.Seconds())
	if r.Release != k.Release {
		t.Errorf("the guest ran %s, want %s", r.Release, k.Release)
	}
	for _, s := range r.Steps {
		t.Logf("%6.2f s  %s", s.Seconds, s.Name)
		if s.Error != "" {
			t.Errorf("%s: %s", s.Name, s.Error)
		}
	}
	return r
}

// dir is where scripts/kernels.sh leaves the kernels unless told otherwise.
func dir() string {
	if d := os.Getenv("VIADUCT_KERNELS"); d != "" {
		return d
	}
	return "../../.cache/kernels"
}

// build makes the programs of an architecture's initramfs.
func build(t *testing.T, goarch string) []File {
	t.Helper()
	dir := t.TempDir()
	files := []File{{Path: "bin"}}
	for path, pkg := range map[string]string{"init": "./guest", "bin/viaduct": "../../cmd/viaduct"} {
		binary := filepath.Join(dir, filepath.Base(path))
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s for %s: %v\n%s", pkg, goarch, err, out)
		}
		files = append(files, File{Path: path, Source: binary})
	}
	return files
}

// openssl are a program that uses this host's OpenSSL, and what it needs.
func openssl(t *testing.T) []File {
	t.Helper()
	program := tlspeer.Build(t)
	certificate, key := tlspeer.Certificate(t)
	files := []File{{Path: "bin/tlspeer", Source: program}, {Path: "tls"}, {Path: "tls/cert.pem", Source: certificate}, {Path: "tls/key.pem", Source: key}}
	libraries, err := exec.Command("ldd", program).Output()
	if err != nil {
		t.Fatalf("find the libraries of %s: %v", program, err)
	}
	dirs := make(map[string]bool)
	for word := range strings.FieldsSeq(string(libraries)) {
		if !strings.HasPrefix(word, "/") {
			continue
		}
		path := strings.TrimPrefix(word, "/")
		for i, c := range path {
			if dir := path[:i]; c == '/' && !dirs[dir] {
				dirs[dir] = true
				files = append(files, File{Path: dir})
			}
		}
		files = append(files, File{Path: path, Source: word})
	}
	return files
}

// modules are those of a kernel that are not part of its image.
func modules(t *testing.T, kernel string) []File {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir(), kernel, "modules", "*.ko"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("no modules of %s in %s: run scripts/kernels.sh", kernel, dir())
	}
	files := []File{{Path: "modules"}}
	for _, f := range found {
		files = append(files, File{Path: "modules/" + filepath.Base(f), Source: f})
	}
	return files
}

// pack makes the initramfs of files.
func pack(t *testing.T, files []File) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "initramfs"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := WriteInitramfs(out, files); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}
