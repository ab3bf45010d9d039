// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Program is one that a test has started. It is the first of a pid namespace of
// its own, so that whatever it has forked ends with it, and it ends with the
// test.
type Program struct {
	*exec.Cmd
	Done chan struct{} // closed when it has ended
	Err  error         // of Wait, once Done is closed
}

// Start runs cmd, inside a network namespace if one is named. What it writes is
// logged if the test fails.
func Start(t testing.TB, namespace string, cmd *exec.Cmd) *Program {
	t.Helper()
	p := &Program{Cmd: cmd, Done: make(chan struct{})}
	written := new(output)
	p.Stdout, p.Stderr = written, written
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWPID}
	start := func() {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if namespace == "" {
		start()
	} else {
		InNamespace(t, namespace, start)
	}
	go func() {
		p.Err = p.Wait()
		close(p.Done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(p.Args, " "), written)
		}
	})
	return p
}

// Kill ends the program and its children at once.
func (p *Program) Kill() {
	p.Process.Kill()
	<-p.Done
}

// output may be written to and read at the same time.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
