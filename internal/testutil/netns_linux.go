// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// IP runs iproute2's ip, which reads stdin where args say -batch.
func IP(t testing.TB, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s%s", strings.Join(args, " "), err, stdin, out)
	}
}

// InNamespace runs f, which must not start goroutines that make sockets, inside
// a named network namespace. A socket made there stays there. The thread goes
// back afterwards and lives on: its end would be taken for the parent's by the
// processes it has started.
func InNamespace(t testing.TB, name string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := openNamespace(t, "/proc/thread-self/ns/net")
	defer unix.Close(before)
	inside := openNamespace(t, "/run/netns/"+name)
	defer unix.Close(inside)
	if err := unix.Setns(inside, unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(before, unix.CLONE_NEWNET); err != nil {
			panic(err) // every later test would run in the wrong place
		}
	}()
	f()
}

func openNamespace(t testing.TB, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}
