// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// ownCgroup makes a cgroup for the test alone and returns its path, and a
// function to be inside it: sockets made there belong to it. Probes attached to
// it see the packets of these sockets and of no others, so that their counters,
// too, are the test's own.
func ownCgroup(t *testing.T) (path string, within func(func())) {
	t.Helper()
	root := cgroupMount(t)
	path = filepath.Join(root, "viaduct-livetest-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	home := filepath.Join(root, cgroupOfSelf(t))
	move := func(to string) {
		if err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
			t.Fatal(err)
		}
	}
	return path, func(f func()) {
		move(path)
		defer move(home)
		f()
	}
}

func cgroupMount(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[2] == "cgroup2" {
			return fields[1]
		}
	}
	t.Fatal("no cgroup v2 hierarchy is mounted")
	return ""
}

func cgroupOfSelf(t *testing.T) string {
	t.Helper()
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(groups)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path
		}
	}
	t.Fatal("this process is in no cgroup v2")
	return ""
}
