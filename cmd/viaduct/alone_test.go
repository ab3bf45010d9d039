// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// refusingPort is bound, and nobody listens.
func refusingPort(t *testing.T) uint16 {
	t.Helper()
	fd := got(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)).orFail(t)
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	return uint16(got(unix.Getsockname(fd)).orFail(t).(*unix.SockaddrInet4).Port)
}

// ownCgroup moves this process into a new cgroup until the end of the test, and
// returns its directory.
func ownCgroup(t *testing.T) string {
	t.Helper()
	root, was := cgroupOfSelf(t)
	dir := filepath.Join(root, fmt.Sprintf("viaduct-test-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	move := func(to string) {
		if err := os.WriteFile(filepath.Join(to, "cgroup.procs"), fmt.Append(nil, os.Getpid()), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		move(was)
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	move(dir)
	return dir
}

// cgroupOfSelf returns where the cgroup v2 hierarchy is mounted and which of
// its directories this process is in.
func cgroupOfSelf(t *testing.T) (root, dir string) {
	t.Helper()
	mounts := got(os.Open("/proc/self/mountinfo")).orFail(t)
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		if before, _, ok := strings.Cut(lines.Text(), " - cgroup2 "); ok {
			root = strings.Fields(before)[4]
			break
		}
	}
	for line := range strings.Lines(string(got(os.ReadFile("/proc/self/cgroup")).orFail(t))) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && root != "" {
			return root, filepath.Join(root, path)
		}
	}
	t.Fatal("this process is in no cgroup v2")
	return "", ""
}

// result is what a function returned.
type result[T any] struct {
	v   T
	err error
}

func got[T any](v T, err error) result[T] { return result[T]{v, err} }

func (r result[T]) orFail(t *testing.T) T {
	t.Helper()
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.v
}
