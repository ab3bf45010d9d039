// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent/report"
)

// patience bounds waits for what should come at once on an idle machine.
const patience = 30 * time.Second

// lab is one case: two network namespaces with a link between them.
type lab struct {
	*testing.T
	a, b side
}

// side is one of them, with an address that no other case of the run has.
type side struct {
	netns string
	addr  netip.Addr
}

var labs atomic.Int32

func newLab(t *testing.T) *lab {
	t.Helper()
	t.Parallel()
	n := int(labs.Add(1)) - 1
	if n >= 64 {
		t.Fatal("more cases than networks")
	}
	sideOf := func(host int) side {
		addr := netip.AddrFrom4([4]byte{203, 0, 113, byte(4*n + host)})
		return side{fmt.Sprintf("viaduct-interop-%d%c", n, 'a'-1+host), addr}
	}
	l := &lab{t, sideOf(1), sideOf(2)}
	l.remove()
	t.Cleanup(l.remove)
	ip(t, "", "netns", "add", l.a.netns)
	ip(t, "", "netns", "add", l.b.netns)
	ip(t, "", "-n", l.a.netns, "link", "add", "sip0", "type", "veth", "peer", "name", "sip0", "netns", l.b.netns)
	for _, s := range []side{l.a, l.b} {
		// A default route, since some programs ask for one to find their address.
		ip(t, fmt.Sprintf("link set lo up\nlink set sip0 up\naddr add %s/30 dev sip0\nroute add default dev sip0\n", s.addr), "-n", s.netns, "-batch", "-")
	}
	return l
}

func (l *lab) remove() {
	for _, s := range []side{l.a, l.b} {
		if _, err := os.Stat("/run/netns/" + s.netns); err == nil {
			exec.Command("ip", "netns", "del", s.netns).Run()
		}
	}
}

func ip(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s%s", strings.Join(args, " "), err, stdin, out)
	}
}

// proves states that a fact of the page was seen to be so, or fails the test.
func (l *lab) proves(fact string, so bool, format string, args ...any) {
	l.Helper()
	l.Logf("%s: "+format, append([]any{fact}, args...)...)
	if !so {
		l.Errorf("%s is not what the page says: "+format, append([]any{fact}, args...)...)
		return
	}
	proven.Lock()
	defer proven.Unlock()
	proven.facts = append(proven.facts, fact)
}

// report is viaduct's of now, with the connections of this case only.
func (l *lab) report() *report.Report {
	return report.Only(watched.Report(), func(c *report.Connection) bool {
		local, err := netip.ParseAddrPort(c.Local)
		return err == nil && (local.Addr() == l.a.addr || local.Addr() == l.b.addr)
	})
}

// until waits for a condition, which says what is still wrong with it.
func (l *lab) until(wait time.Duration, condition func() (wrong string)) {
	l.Helper()
	deadline := time.Now().Add(wait)
	for {
		wrong := condition()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("after %v still: %s", wait, wrong)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// in runs f, which must not start goroutines that make sockets, in s's
// namespace: a socket made there stays there.
func (s side) in(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	enter := func(name string) (leave func()) {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			defer unix.Close(fd)
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				panic(err) // all later cases would run in the wrong place
			}
		}
	}
	back := enter("/proc/thread-self/ns/net")
	defer back()
	enter("/run/netns/" + s.netns)()
	f()
}

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

// far is the first connection that viaduct reports of a socket's owner.
func (l *lab) far(local netip.AddrPort) *report.Connection {
	r := l.report()
	for i := range r.Connections {
		if r.Connections[i].Local == local.String() {
			return &r.Connections[i]
		}
	}
	return nil
}
