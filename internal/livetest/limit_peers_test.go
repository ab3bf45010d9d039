// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// attempt is a connect that does not wait. A reset closes it.
type attempt int

// newAttempt begins to connect, in the namespace of the caller.
func newAttempt(local netip.Addr, remote netip.AddrPort) (attempt, error) {
	domain := unix.AF_INET6
	if remote.Addr().Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	err = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err == nil && local.IsValid() {
		err = unix.Bind(fd, sockaddr(at(local, 0)))
	}
	if err == nil {
		err = unix.Connect(fd, sockaddr(remote))
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return 0, err
	}
	return attempt(fd), nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func (a attempt) established() bool {
	info, err := unix.GetsockoptTCPInfo(int(a), unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == unix.BPF_TCP_ESTABLISHED
}

func (a attempt) close() { unix.Close(int(a)) }

// attempts begins n connects in the namespace, which end with the test.
func (n *namespace) attempts(t *testing.T, count int, local netip.Addr, remote netip.AddrPort) []attempt {
	t.Helper()
	var all []attempt
	n.do(t, func() {
		for range count {
			a, err := newAttempt(local, remote)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, a)
		}
	})
	t.Cleanup(func() {
		for _, a := range all {
			a.close()
		}
	})
	return all
}

// acceptor takes every connection and counts them by address.
type acceptor struct {
	mu    sync.Mutex
	taken map[netip.Addr]int
	conns map[netip.Addr][]*net.TCPConn
	// release closes each connection when its peer does.
	release bool
}

func accepting(t *testing.T, listener *net.TCPListener, release bool) *acceptor {
	t.Helper()
	a := &acceptor{taken: make(map[netip.Addr]int), conns: make(map[netip.Addr][]*net.TCPConn), release: release}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			a.take(c)
			if release {
				serving.Go(func() {
					c.Read(make([]byte, 1))
					c.Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		listener.Close()
		a.closeAll()
		serving.Wait()
	})
	return a
}

// closeAll closes what was accepted, and forgets it.
func (a *acceptor) closeAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, all := range a.conns {
		for _, c := range all {
			c.Close()
		}
	}
	clear(a.conns)
}

func (a *acceptor) take(c *net.TCPConn) {
	from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken[from]++
	a.conns[from] = append(a.conns[from], c)
}

func (a *acceptor) of(from netip.Addr) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken[from]
}

// has waits until n connections of an address have been accepted.
func (a *acceptor) has(t *testing.T, from netip.Addr, n int) {
	t.Helper()
	until(t, func() string {
		if got := a.of(from); got != n {
			return fmt.Sprintf("%d connections of %v were accepted, want %d", got, from, n)
		}
		return ""
	})
}

// attemptLife is how long a connect of a test may take.
const attemptLife = 500 * time.Millisecond
