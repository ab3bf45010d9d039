// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// family is a process that has connected, and a child of it that was forked
// then and has the only copy of the connection's descriptor.
type family struct {
	parent, child uint32
	forked        event.Time // no later than the child was
	tell          func(line string)
}

// the child closes the descriptor when it is told to
const script = `exec 3<>/dev/tcp/%s/5060
exec 4> >(echo $BASHPID; read -r; exec 3>&-; read -r)
exec 3>&-
echo closed
while read -r line; do echo "$line" >&4; done`

func newFamily(t *testing.T, r *recorder) *family {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: r.address.AsSlice(), Port: 5060})
	if err != nil {
		t.Fatal(err)
	}
	f := &family{forked: r.Now()}
	cmd := exec.Command("/bin/bash", "-c", fmt.Sprintf(script, r.address))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		l.Close()
	})
	f.parent = uint32(cmd.Process.Pid)
	lines := bufio.NewScanner(out)
	for closed := false; f.child == 0 || !closed; { // the two speak in any order
		if !lines.Scan() {
			t.Fatalf("bash ended: %v", lines.Err())
		}
		if line := lines.Text(); line == "closed" {
			closed = true
		} else if _, err := fmt.Sscan(line, &f.child); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	f.tell = func(line string) {
		if _, err := fmt.Fprintln(in, line); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// first waits for an event, and calls meanwhile in between.
func (r *recorder) first(want func(*event.Event) bool, meanwhile func()) (found event.Event) {
	r.t.Helper()
	r.until(func(events []event.Event) string {
		for i := range events {
			if want(&events[i]) {
				found = events[i]
				return ""
			}
		}
		meanwhile()
		return "no such event"
	})
	return found
}

// TestChildClosesForParent: what a child closes that was just forked is its
// parent's connection.
func TestChildClosesForParent(t *testing.T) {
	r := record(t, Options{}, "127.0.0.71")
	f := newFamily(t, r)
	f.tell("close")
	fin := r.first(func(e *event.Event) bool {
		return e.Kind == event.HalfClosed && e.Direction == event.Out && e.Initiator == event.Local
	}, func() {})
	// On a machine that is so slow the child is old by then.
	if fin.Owner.PID != f.parent && fin.Time.Sub(f.forked) < time.Second {
		t.Errorf("closed by process %d, the parent is %d and its child %d", fin.Owner.PID, f.parent, f.child)
	}
}

// TestScanOfChild: a child is found to hold its parent's connection once it has
// lived for a while.
func TestScanOfChild(t *testing.T) {
	r := record(t, Options{}, "127.0.0.72")
	f := newFamily(t, r)
	var failed error
	owner := r.first(func(e *event.Event) bool { return e.Kind == event.Owner && e.Owner.PID == f.child }, func() {
		failed = errors.Join(failed, r.Scan(func(*event.Event) {}))
	})
	if failed != nil {
		t.Fatal(failed)
	}
	if age := owner.Time.Sub(f.forked); age < time.Second {
		t.Errorf("process %d holds the connection %s after it was forked", f.child, age)
	}
}
