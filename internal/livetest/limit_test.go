// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/limit"
	"github.com/viaduct-project/viaduct/internal/policyfile"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// variants are the ways a kernel keeps what is half open; the limit is in front
// of all of them.
func variants(t *testing.T, test func(t *testing.T, l *link, listener func(netip.AddrPort) *net.TCPListener, ipv6 bool)) {
	for _, v := range []struct {
		name                    string
		ipv6, cookies, deferred bool
	}{
		{name: "plain"}, {name: "plain, IPv6", ipv6: true},
		{name: "SYN cookies", cookies: true}, {name: "SYN cookies, IPv6", ipv6: true, cookies: true},
		{name: "TCP_DEFER_ACCEPT", deferred: true},
	} {
		t.Run(v.name, func(t *testing.T) {
			l := newLink(t)
			if v.cookies {
				l.b.set(t, "net/ipv4/tcp_syncookies", "2") // always, not under pressure only
			}
			test(t, l, func(server netip.AddrPort) *net.TCPListener {
				listener := l.b.listen(t, server)
				if v.deferred {
					control(t, listener, func(fd int) error {
						return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 5)
					})
				}
				return listener
			}, v.ipv6)
		})
	}
}

// sources gives a addresses of a family, from which it can connect.
func (l *link) sources(t *testing.T, ipv6 bool) [3]netip.Addr {
	t.Helper()
	if !ipv6 {
		all := [3]netip.Addr{l.a.v4, l.silent4, l.silent4.Next().Next()} // .1, .3, .5 of eight
		testutil.IP(t, fmt.Sprintf("neigh del %s dev sip0\naddr add %s/29 dev sip0\naddr add %s/29 dev sip0\n", all[1], all[1], all[2]), "-n", l.a.name, "-batch", "-")
		return all
	}
	all := [3]netip.Addr{l.a.v6}
	for i := 1; i < len(all); i++ {
		b := l.a.v6.As16()
		b[14] = byte(i)
		all[i] = netip.AddrFrom16(b)
		testutil.IP(t, "", "-n", l.a.name, "addr", "add", all[i].String()+"/64", "dev", "sip0", "nodad")
	}
	return all
}

// limits keeps the limits of peers, the rows of a policy in YAML, in force until
// the test ends.
func limits(t *testing.T, peers ...string) *limit.Limiter {
	t.Helper()
	p, err := policyfile.Parse("limits.yaml", []byte("version: 1\npeers:\n"+strings.Join(peers, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	l, err := limit.Start(p, limit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// row is one row of a policy, for addresses of a link.
func row(name, enforce, limits string, cidrs ...netip.Addr) string {
	var all []string
	for _, a := range cidrs {
		all = append(all, fmt.Sprintf("'%s/%d'", a, a.BitLen()))
	}
	return fmt.Sprintf("- {name: %s, enforce: %s, match: {cidrs: [%s]}, limits: {%s}}", name, enforce, strings.Join(all, ", "), limits)
}

// counted waits for what a row's counters say: the refusals in and out.
func counted(t *testing.T, l *limit.Limiter, peer string, in, out uint64) {
	t.Helper()
	until(t, func() string {
		counts, err := l.Counters()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range counts {
			if c.Peer == peer && (c.Direction == "in" && c.Refused != in || c.Direction == "out" && c.Refused != out) {
				return fmt.Sprintf("%s: %d refused %s, want %d in and %d out", peer, c.Refused, c.Direction, in, out)
			}
		}
		return ""
	})
}

// open is how many connections the limiter counts of an address.
func open(t *testing.T, l *limit.Limiter, a netip.Addr) (n uint64) {
	t.Helper()
	all, err := l.Sources()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Address == a {
			n += s.Open
		}
	}
	return n
}

func becomes(t *testing.T, l *limit.Limiter, a netip.Addr, want uint64) {
	t.Helper()
	until(t, func() string {
		if got := open(t, l, a); got != want {
			return fmt.Sprintf("%d connections of %v are counted, want %d", got, a, want)
		}
		return ""
	})
}

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
		a.mu.Lock()
		for _, all := range a.conns {
			for _, c := range all {
				c.Close()
			}
		}
		a.mu.Unlock()
		serving.Wait()
	})
	return a
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
