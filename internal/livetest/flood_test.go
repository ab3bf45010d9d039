// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	floodConnections = 50_000
	floodFlows       = 500 // UDP
	floodWorkers     = 8
)

const floodPort = 15090 // configured

// contentPort carries SIP but is not configured. Its listener wakes only with
// the first data, which therefore completes the handshake.
const contentPort = 15060

// flood makes connections on the loopback of n, some a request long, some
// without any, ended by FIN and by RST, with and without an answer. It returns
// when all are closed at both ends.
func flood(t *testing.T, n *namespace) {
	t.Helper()
	var servers sync.WaitGroup
	defer servers.Wait()
	server := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for _, port := range []uint16{floodPort, contentPort} {
		listener := n.listen(t, at(server, port))
		if port == contentPort {
			control(t, listener, func(fd int) error {
				return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 5)
			})
		}
		defer listener.Close()
		servers.Go(func() { serve(listener, &servers) })
	}
	var clients sync.WaitGroup
	var failed atomic.Pointer[error]
	for worker := range floodWorkers {
		clients.Go(func() {
			n.do(t, func() {
				// A client address for each worker, so that ports suffice.
				local := at(netip.AddrFrom4([4]byte{127, 1, 0, byte(worker)}), 0)
				for i := range floodConnections / floodWorkers {
					if err := visit(i, local, server); err != nil {
						failed.Store(&err)
						return
					}
				}
			})
		})
	}
	clients.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
	floodDatagrams(t, n, at(server, floodPort))
}

// visit is one client's connection; i chooses its kind.
func visit(i int, local netip.AddrPort, server netip.Addr) error {
	port, speaks, listens, resets := uint16(floodPort), true, true, true
	switch i % 8 {
	case 0, 1:
		speaks, listens = false, false
	case 2:
		listens = false // mid-transaction
	case 3, 4:
		port = contentPort
	case 5:
		resets = false
	}
	c, err := net.DialTCP("tcp", net.TCPAddrFromAddrPort(local), net.TCPAddrFromAddrPort(at(server, port)))
	if err != nil {
		return err
	}
	defer c.Close()
	if resets {
		c.SetLinger(0)
	}
	if speaks {
		if _, err := c.Write(request("OPTIONS", "TCP", c.LocalAddr())); err != nil {
			return err
		}
	}
	if listens {
		c.SetReadDeadline(time.Now().Add(patience))
		_, err = (&reader{conn: c}).message()
	}
	return err
}

// serve answers every request until the listener is closed.
func serve(listener *net.TCPListener, handlers *sync.WaitGroup) {
	for {
		c, err := listener.AcceptTCP()
		if err != nil {
			return
		}
		handlers.Go(func() {
			defer c.Close()
			for r := (&reader{conn: c}); ; {
				m, err := r.message()
				if err != nil {
					return
				}
				c.Write(reply(m, "200 OK"))
			}
		})
	}
}

func floodDatagrams(t *testing.T, n *namespace, server netip.AddrPort) {
	t.Helper()
	n.do(t, func() {
		s, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(server))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		b := make([]byte, 2048)
		for range floodFlows {
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
			if err != nil {
				t.Fatal(err)
			}
			write(t, c, request("OPTIONS", "UDP", c.LocalAddr()))
			s.SetReadDeadline(time.Now().Add(patience))
			got, from, err := s.ReadFromUDPAddrPort(b)
			if err != nil {
				t.Fatal(err)
			}
			s.WriteToUDPAddrPort(reply(b[:got], "200 OK"), from)
			c.Close()
		}
	})
}

// control runs f on the socket of c.
func control(t *testing.T, c interface {
	SyscallConn() (syscall.RawConn, error)
}, f func(fd int) error) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if outer := raw.Control(func(fd uintptr) { err = f(int(fd)) }); outer != nil || err != nil {
		t.Fatal(outer, err)
	}
}
