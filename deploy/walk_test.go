// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// walkBlock is what a page has its reader type.
var walkBlock = regexp.MustCompile("(?ms)^```sh walk\n(.*?)^```$")

// TestWalk: in a fresh clone, what docs/install.md says works as it stands there.
func TestWalk(t *testing.T) {
	requireRoot(t)
	clone := fresh(t)
	blocks := walkBlock.FindAllStringSubmatch(read(t, "../docs/install.md"), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d blocks", len(blocks))
	}
	// As on a machine whose runtime is runc, within what root may have here.
	settings := filepath.Join(t.TempDir(), "containers.conf")
	if err := os.WriteFile(settings, []byte("[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n[engine]\nruntime = \"runc\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// sudo is not on every machine, and is not needed here.
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("dpkg", "--purge", "viaduct").Run() })
	for _, block := range blocks {
		script := exec.Command("sh", "-euc", block[1])
		script.Dir = clone
		script.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "CONTAINERS_CONF="+settings, "GOFLAGS=-buildvcs=false")
		out, err := script.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, block[1], out)
		}
		if strings.Contains(block[1], "dpkg -i") {
			checkService(t)
		}
	}
	if _, err := os.Stat("/usr/bin/viaduct"); err == nil {
		t.Error("the package is there still")
	}
}

// fresh returns a clone of the project, or a copy of its files where that is no
// repository.
func fresh(t *testing.T) string {
	t.Helper()
	clone := filepath.Join(t.TempDir(), "viaduct")
	if exec.Command("git", "-C", "..", "rev-parse", "--verify", "-q", "HEAD").Run() == nil {
		run(t, "git", "clone", "-q", "..", clone)
		return clone
	}
	if err := os.Mkdir(clone, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "sh", "-euc", `tar -C .. --exclude=./.git --exclude=./.cache --exclude=./bin -cf - . | tar -C "$1" -xf -`, "sh", clone)
	return clone
}

// checkService wants the unit to run, where systemd does.
func checkService(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return
	}
	eventually(t, func() error { return exec.Command("systemctl", "is-active", "--quiet", "viaduct").Run() })
}

// TestInstall: make install puts everything below the prefix, and leaves a policy
// that is there alone.
func TestInstall(t *testing.T) {
	root := t.TempDir()
	install := func() { run(t, "make", "-C", "..", "install", "DESTDIR="+root, "PREFIX=/opt/viaduct") }
	install()
	unit := read(t, filepath.Join(root, "opt/viaduct/lib/systemd/system/viaduct.service"))
	if !strings.Contains(unit, "\nExecStart=/opt/viaduct/bin/viaduct agent ") || strings.Contains(unit, "/usr/bin/viaduct") {
		t.Error(unit)
	}
	policy := filepath.Join(root, "etc/viaduct/policy.yaml")
	run(t, filepath.Join(root, "opt/viaduct/bin/viaduct"), "policy", "check", policy)
	if err := os.WriteFile(policy, []byte("version: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	install()
	if got := read(t, policy); got != "version: 1\n" {
		t.Errorf("%q", got)
	}
}
