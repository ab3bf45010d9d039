// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// forker is a program with a TLS library, which forks when it is told to by a
// signal; the function does that and waits for the child.
func forker(t *testing.T) (pid int, fork func(pid int)) {
	c := exec.Command("python3", "-c", `
import os, signal, ssl
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
os.write(1, b"x")
while signal.sigwait({signal.SIGUSR1}):
    if os.fork():
        os.write(1, b"x")`)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL); c.Wait() })
	ready := func() {
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	}
	ready()
	return c.Process.Pid, func(pid int) {
		if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
			t.Error(err)
		}
		ready()
	}
}

// What is forked between the look at a server's processes and the moment when
// their children are told of is followed all the same.
func TestForkedMeanwhile(t *testing.T) {
	head, fork := forker(t)
	p := new(prober)
	f := &Follower{prober: p, told: Told{Followed: func(uint32) {}}, state: make(map[int]*process)}
	forks := 0
	p.when = func(pid int) {
		if forks++; forks <= 2 {
			fork(pid)
		}
	}
	f.want(head)
	if followed, _ := f.Count(); followed != 3 {
		t.Errorf("%d are followed of the first, its child and its child's: %q", followed, p.done)
	}
	fork(head) // of which the kernel tells
	forks = 1
	for _, child := range childrenOf(proc, head) {
		if f.state[child] == nil {
			f.adopt(child)
		}
	}
	if followed, _ := f.Count(); followed != 5 {
		t.Errorf("%d are followed of the three, one more child and its child: %q", followed, p.done)
	}
}

// A server that is started by one that is followed is looked at as its child,
// before it runs what it is to run; by the time that it is seen itself it may have
// children.
func TestStartedByFollowed(t *testing.T) {
	head, fork := forker(t)
	p := new(prober)
	f := &Follower{prober: p, told: Told{Followed: func(uint32) {}}, state: make(map[int]*process)}
	f.state[head] = &process{why: "no TLS library is loaded", tried: time.Now()}
	fork(head)
	f.want(head)
	if followed, _ := f.Count(); followed != 2 {
		t.Errorf("%d are followed of the server and its child: %q", followed, p.done)
	}
}
