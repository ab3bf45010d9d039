// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
)

// program is one under test. It is the first of a pid namespace, so that what
// it has forked ends with it, and it ends with the case.
type program struct {
	*exec.Cmd
	stdin  *os.File
	output *output
	done   chan struct{}
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

// start runs a program on a side, in dir, where it also has its home.
func (l *lab) start(s side, dir, name string, args ...string) *program {
	l.Helper()
	p := &program{Cmd: exec.Command(name, args...), output: new(output), done: make(chan struct{})}
	in, out, err := os.Pipe()
	if err != nil {
		l.Fatal(err)
	}
	p.stdin = out
	p.Stdin, p.Stdout, p.Stderr = in, p.output, p.output
	p.Dir, p.Env = dir, []string{"HOME=" + dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"}
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWPID}
	s.in(l.T, func() {
		if err := p.Start(); err != nil {
			l.Fatal(err)
		}
	})
	in.Close()
	l.programs[s.addr] = append(l.programs[s.addr], name)
	go func() {
		p.Wait()
		close(p.done)
	}()
	l.Cleanup(func() {
		p.Process.Kill()
		<-p.done
		out.Close()
		if l.Failed() {
			l.Logf("%s %s:\n%s", name, strings.Join(args, " "), p.output)
		}
	})
	return p
}

// listening waits until something in a program's namespace listens on a TCP port.
func (l *lab) listening(p *program, port uint16) {
	l.Helper()
	local := regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: [0-9A-F]+:%04X [0-9A-F]+:0000 0A `, port))
	l.until(patience, func() string {
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", p.Process.Pid))
		if err != nil {
			return err.Error()
		}
		if !local.Match(table) {
			return fmt.Sprintf("%s does not listen on %d", p.Path, port)
		}
		return ""
	})
}

// say types a line.
func (l *lab) say(p *program, line string) {
	l.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		l.Fatal(err)
	}
}

// file writes a configuration into a new directory.
func (l *lab) file(name, content string) (dir, path string) {
	l.Helper()
	dir = l.TempDir()
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		l.Fatal(err)
	}
	return dir, path
}
