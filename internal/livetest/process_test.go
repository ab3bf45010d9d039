// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for a condition. It is generous: it decides only
// how long a test that fails takes.
const patience = 20 * time.Second

// process is a program under a test. It is the first of a pid namespace of its
// own, so that whatever it has forked ends with it, and it ends with the test.
type process struct {
	*exec.Cmd
	output output
	done   chan struct{}
	err    error // of Wait, once done is closed
}

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

// start runs a program inside n. Its output is logged if the test fails.
func (n *namespace) start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.Stdout, p.Stderr = &p.output, &p.output
	p.Dir = t.TempDir()
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWPID}
	n.do(t, func() {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	})
	go func() {
		p.err = p.Cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s %s:\n%s", name, strings.Join(args, " "), &p.output)
		}
	})
	return p
}

// label is how facts name the program.
func (p *process) label() string {
	return fmt.Sprintf("%s/%d", filepath.Base(p.Path), p.Process.Pid)
}

// kill ends the program and its children at once.
func (p *process) kill() {
	p.Process.Kill()
	<-p.done
}

// succeed waits until the program has ended, with exit code 0.
func (p *process) succeed(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s does not end", p.Path)
	}
	if p.err != nil {
		t.Fatalf("%s: %v", p.Path, p.err)
	}
}

// until waits for a condition; what says what was wrong with it last.
func until(t *testing.T, condition func() (wrong string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		wrong := condition()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still: %s", patience, wrong)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// bound waits until something in n listens on, or with udp is bound to, a port.
func (n *namespace) bound(t *testing.T, transport string, port uint16) {
	t.Helper()
	local := regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: [0-9A-F]+:%04X [0-9A-F]+:0000 0[7A] `, port))
	until(t, func() string {
		var tables []byte
		n.do(t, func() {
			for _, family := range []string{"", "6"} {
				table, err := os.ReadFile("/proc/thread-self/net/" + transport + family)
				if err != nil {
					t.Fatal(err)
				}
				tables = append(tables, table...)
			}
		})
		if local.Match(tables) {
			return ""
		}
		return fmt.Sprintf("nothing is bound to %s port %d", transport, port)
	})
}

func at(addr netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(addr, port) }
