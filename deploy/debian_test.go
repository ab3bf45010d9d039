// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var packageFile = "../bin/viaduct_" + runtime.GOARCH + ".deb"

// TestPackage: the package is installed on this host and removed again. What it
// has installed runs under the capabilities of its unit.
func TestPackage(t *testing.T) {
	requireRoot(t)
	if out, err := exec.Command("dpkg-query", "-W", "viaduct").CombinedOutput(); err == nil {
		t.Fatalf("a package viaduct is installed here, which this test would remove: %s", out)
	}
	t.Cleanup(func() { run(t, "dpkg", "--purge", "viaduct") })
	run(t, "dpkg", "--install", packageFile)
	for _, name := range []string{"/usr/bin/viaduct", "/usr/lib/systemd/system/viaduct.service", "/etc/viaduct/policy.yaml", "/etc/default/viaduct"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if got := run(t, "dpkg", "--verify", "viaduct"); got != "" {
		t.Error(got)
	}
	run(t, "/usr/bin/viaduct", "policy", "check", "/etc/viaduct/policy.yaml")
	runUnit(t)

	// The operator's policy outlives an upgrade and a removal, not a purge.
	mine := "version: 1 # mine\n"
	if err := os.WriteFile("/etc/viaduct/policy.yaml", []byte(mine), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "dpkg", "--install", packageFile)
	run(t, "dpkg", "--remove", "viaduct")
	if b, err := os.ReadFile("/etc/viaduct/policy.yaml"); err != nil || string(b) != mine {
		t.Errorf("%q, %v", b, err)
	}
	run(t, "dpkg", "--purge", "viaduct")
	for _, name := range []string{"/usr/bin/viaduct", "/etc/viaduct", "/etc/systemd/system/multi-user.target.wants/viaduct.service"} {
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s is left over", name)
		}
	}
}

// runUnit runs what the unit does as far as that goes without systemd: its
// command, under its capabilities.
func runUnit(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	state := t.TempDir()
	bounding := "-all"
	for _, c := range setting(t, "CapabilityBoundingSet") {
		bounding += ",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
	}
	args := []string{"--no-new-privs", "--inh-caps=-all", "--bounding-set=" + bounding}
	for _, word := range setting(t, "ExecStart") {
		args = append(args, strings.NewReplacer("/var/lib/viaduct", state, "$VIADUCT_ARGS", "--web.listen-address="+address).Replace(word))
	}
	agent := exec.Command("setpriv", args...)
	var log strings.Builder
	agent.Stderr = &log
	agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	eventually(t, func() error {
		r, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return err
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", r.Status)
		}
		return nil
	})
	agent.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
	if _, err := os.Stat(filepath.Join(state, "state.json")); err != nil {
		t.Error(err)
	}
}

// TestPackages: for each architecture one, the same each time.
func TestPackages(t *testing.T) {
	sums := func() (all []string) {
		for _, arch := range []string{"amd64", "arm64"} {
			name := "../bin/viaduct_" + arch + ".deb"
			all = append(all, run(t, "sha256sum", name))
			if got := run(t, "dpkg-deb", "--field", name, "Architecture"); got != arch {
				t.Errorf("%s is for %s", name, got)
			}
			// What dpkg compares versions by must be one.
			run(t, "dpkg", "--validate-version", run(t, "dpkg-deb", "--field", name, "Version"))
		}
		return all
	}
	first := sums()
	run(t, "make", "-C", "..", "deb")
	if second := sums(); !slices.Equal(first, second) {
		t.Errorf("first %v, then %v", first, second)
	}
}
