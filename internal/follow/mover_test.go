// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// forks is a program that has OpenSSL loaded, and forks a worker at its start
// and for each line; it says the workers' pids.
const forks = `
import os, signal, ssl, sys
def worker():
    pid = os.fork()
    if pid == 0:
        while True: signal.pause()
    print(pid, flush=True)
    return pid
all = [worker()]
for line in sys.stdin: all.append(worker())
for pid in all: os.kill(pid, 9)
`

type forking struct {
	pid int
	in  io.Writer
	out io.Reader
}

func (f forking) worker(t *testing.T) (pid int) {
	t.Helper()
	if _, err := fmt.Fscan(f.out, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

func startForking(t *testing.T) forking {
	t.Helper()
	c := exec.Command("python3", "-c", forks)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Wait() }) // it ends its workers
	return forking{c.Process.Pid, in, out}
}

// A function that moves records is probed in the process that was seen with it,
// in others of the same server, also in those that come later, once in each; not
// in others that run the same program.
func TestMover(t *testing.T) {
	p := new(prober)
	f := New(p, Told{Followed: func(uint32) {}})
	defer f.Close()
	server, stranger := startForking(t), startForking(t)
	second := server.worker(t)
	stranger.worker(t)
	f.Want(uint32(second))
	f.Want(uint32(stranger.pid))
	until(t, func() bool { followed, _ := f.Count(); return followed == 4 })
	maps, err := mapsOf(proc, second)
	if err != nil {
		t.Fatal(err)
	}
	all := mappings(maps)
	of := func(prefix string) (m mapping, address uint64) {
		m = all[slices.IndexFunc(all, func(m mapping) bool { return strings.HasPrefix(filepath.Base(m.path), prefix) })]
		if _, err := fmt.Sscanf(m.span, "%x-", &address); err != nil {
			t.Fatal(err)
		}
		return m, address
	}
	library, address := of("libcrypto.so")
	_, byItself := of("libssl.so")
	f.Mover(uint32(second), byItself, 2) // is probed as it is
	f.Mover(uint32(second), address, 2)
	f.Mover(uint32(second), address, 2)
	f.Mover(1, address, 2) // not followed: not believed
	did := func(pid int) (n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, line := range p.done {
			if line == fmt.Sprintf("mover %d %s 2", pid, filepath.Base(library.path)) {
				n++
			}
		}
		return n
	}
	until(t, func() bool { return did(server.pid) == 1 && did(second) == 1 })
	fmt.Fprintln(server.in)
	later := server.worker(t)
	f.Forked(uint32(later))
	until(t, func() bool { return did(later) == 1 })
	f.Mover(uint32(second), 1, 2)
	until(t, func() bool { return strings.Contains(f.Why(uint32(second)), "no file is mapped at 0x1") })
	p.mu.Lock()
	if probed := strings.Join(p.done, "\n"); strings.Count(probed, "mover") != 3 {
		t.Errorf("probed:\n%s", probed)
	}
	p.mu.Unlock()
	if !f.Followed(uint32(second)) || did(second) != 1 {
		t.Errorf("followed: %v, probed %d times", f.Followed(uint32(second)), did(second))
	}
}
