// SPDX-License-Identifier: Apache-2.0

//go:build kernels

package kernels

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// dir is where scripts/kernels.sh leaves the kernels unless told otherwise.
func dir() string {
	if d := os.Getenv("VIADUCT_KERNELS"); d != "" {
		return d
	}
	return "../../.cache/kernels"
}

func TestKernels(t *testing.T) {
	initramfs := map[string]string{"amd64": build(t, "amd64"), "arm64": build(t, "arm64")}
	for _, name := range []string{"v6.1", "v6.12", "newest", "v6.1-arm64"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			boot(t, name, initramfs, "check")
		})
	}
}

// boot runs the guest with args on the kernel called name. A step that failed
// fails the test.
func boot(t *testing.T, name string, initramfs map[string]string, args ...string) *Result {
	t.Helper()
	k, err := Open(dir(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	start := time.Now()
	console, err := Boot(ctx, k, initramfs[k.Machine.GOARCH], args...)
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
		t.Logf("%-12s %.2f s", s.Name, s.Seconds)
		if s.Error != "" {
			t.Errorf("%s: %s", s.Name, s.Error)
		}
	}
	return r
}

// build makes the initramfs of an architecture.
func build(t *testing.T, goarch string) string {
	t.Helper()
	dir := t.TempDir()
	goBuild(t, goarch, "./guest", filepath.Join(dir, "init"))
	out, err := os.Create(filepath.Join(dir, "initramfs"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := WriteInitramfs(out, []File{{Path: "init", Source: filepath.Join(dir, "init")}}); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

func goBuild(t *testing.T, goarch, pkg, to string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s for %s: %v\n%s", pkg, goarch, err, out)
	}
}
