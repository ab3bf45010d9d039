// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// stream is a connection of this process, and what writes to it need.
type stream struct {
	t      *testing.T
	w      *Writer
	file   *os.File // keeps fd
	fd     int
	cookie uint64
}

func newStream(t *testing.T) *stream {
	t.Helper()
	testutil.RequireRoot(t)
	r, err := reach.Load()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	s := &stream{t: t}
	if s.w, err = New(r.StandingFD(), -1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.w.Close() })
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if s.file, err = c.(*net.TCPConn).File(); err != nil {
		t.Fatal(err)
	}
	// The peer first: with a File of c, reading from c is no more than a system call.
	t.Cleanup(func() { peer.Close(); c.Close(); s.file.Close() })
	go io.Copy(peer, peer) // what comes back acknowledges
	go io.Copy(io.Discard, c)
	s.fd = int(s.file.Fd())
	if s.cookie, err = unix.GetsockoptUint64(s.fd, unix.SOL_SOCKET, unix.SO_COOKIE); err != nil {
		t.Fatal(err)
	}
	return s
}

// next asks for the sequence number of the next byte, by the means for moving
// connections to other hosts.
func (s *stream) next() uint32 {
	s.t.Helper()
	const sendQueue, off = 2, -1
	set := func(option, value int) error { return unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, option, value) }
	err := errors.Join(set(unix.TCP_REPAIR, 1), set(unix.TCP_REPAIR_QUEUE, sendQueue))
	next, asked := unix.GetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_QUEUE_SEQ)
	if err := errors.Join(err, asked, set(unix.TCP_REPAIR, off)); err != nil {
		s.t.Fatal(err)
	}
	return uint32(next)
}

func (s *stream) write(at uint32) (reach.Standing, error) {
	standing, _, err := s.w.Do(Write{Socket: s.cookie, FD: s.fd, Stream: true, At: at, Data: []byte("\r\n\r\n")})
	return standing, err
}

// locked is how long the socket's lock was waited for: TCP_INFO takes it.
func (s *stream) locked() time.Duration {
	start := time.Now()
	if _, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO); err != nil {
		s.t.Error(err)
	}
	return time.Since(start)
}

// TestPatience: where nobody answers, and also if the process is stopped
// meanwhile, the kernel ends the wait; the socket is free, nothing was written,
// and the next write is done by another process.
func TestPatience(t *testing.T) {
	s := newStream(t)
	at := s.next()
	s.w.more = []string{unanswered}
	for name, meanwhile := range map[string]func(pid int){
		"no CPU":  func(int) {},
		"stopped": func(pid int) { unix.Kill(pid, unix.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.w.end(); err != nil {
				t.Fatal(err)
			}
			if err := s.w.start(); err != nil {
				t.Fatal(err)
			}
			pid := s.w.process.Process.Pid
			ended := make(chan error)
			start := time.Now()
			go func() {
				_, err := s.write(at)
				ended <- err
			}()
			for !s.faulted(pid) {
				if time.Since(start) > time.Second {
					t.Fatal("it does not come to a fault")
				}
			}
			meanwhile(pid)
			locked := s.locked()
			if err := <-ended; !errors.Is(err, ErrLate) {
				t.Errorf("%v, want that it was late", err)
			}
			took := time.Since(start)
			t.Logf("locked for %v, over after %v", locked, took)
			if took < Patience || took > answerPatience {
				t.Errorf("it was over after %v, want about %v", took, Patience)
			}
			if locked > took {
				t.Errorf("the socket stayed locked for %v", locked)
			}
		})
	}
	s.w.more = nil
	if standing, err := s.write(at); err != nil || standing != reach.Ready {
		t.Errorf("after all that: %v %v", standing, err)
	}
}

// faulted says whether a thread of the process waits in a fault that it has
// while it sends.
func (s *stream) faulted(pid int) bool {
	system, err := os.ReadFile(fmt.Sprintf("/proc/%d/stack", pid))
	return err == nil && bytes.Contains(system, []byte("handle_userfault"))
}

// TestEnd: nothing is left behind.
func TestEnd(t *testing.T) {
	s := newStream(t)
	at := s.next()
	if standing, err := s.write(at); err != nil || standing != reach.Ready {
		t.Fatal(standing, err)
	}
	pid := s.w.process.Process.Pid
	s.w.process.Process.Kill()
	if _, err := s.write(at + 4); !errors.Is(err, ErrLate) {
		t.Errorf("after its end: %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); !errors.Is(unix.Kill(pid, 0), unix.ESRCH); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", pid)
		}
	}
	for standing := reach.Queued; standing != reach.Ready; {
		var err error
		if standing, err = s.write(at + 4); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.w.Started(); n != 2 {
		t.Errorf("started %d times", n)
	}
}
