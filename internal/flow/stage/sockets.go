// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// Host makes the sockets of one side of a live flow. Listen and Datagrams must
// let an address be used again at once, and so must Dial.
type Host interface {
	Dial(ctx context.Context, local, remote netip.AddrPort) (*net.TCPConn, error)
	Listen(ctx context.Context, local netip.AddrPort) (*net.TCPListener, error)
	Datagrams(ctx context.Context, local netip.AddrPort) (*net.UDPConn, error)
}

// Sockets is the Host whose sockets are made where Enter runs what it is given:
// in a network namespace, on one thread. A nil Enter is here.
type Sockets struct {
	Enter func(f func() error) error
}

func (s Sockets) enter(f func() error) error {
	if s.Enter == nil {
		return f()
	}
	return s.Enter(f)
}

// again lets a socket take an address whose last connection is still in
// TIME-WAIT.
func again(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// Dial connects, and is plain TCP.
func (s Sockets) Dial(ctx context.Context, local, remote netip.AddrPort) (c *net.TCPConn, err error) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local), Control: again, KeepAlive: -1}
	dialer.SetMultipathTCP(false)
	err = s.enter(func() error {
		dialed, err := dialer.DialContext(ctx, "tcp", remote.String())
		if err == nil {
			c = dialed.(*net.TCPConn)
		}
		return err
	})
	return c, err
}

// Listen makes a listener of plain TCP.
func (s Sockets) Listen(ctx context.Context, local netip.AddrPort) (l *net.TCPListener, err error) {
	config := net.ListenConfig{Control: again, KeepAlive: -1}
	config.SetMultipathTCP(false)
	err = s.enter(func() error {
		made, err := config.Listen(ctx, "tcp", local.String())
		if err == nil {
			l = made.(*net.TCPListener)
		}
		return err
	})
	return l, err
}

// Datagrams makes a bound UDP socket.
func (s Sockets) Datagrams(ctx context.Context, local netip.AddrPort) (c *net.UDPConn, err error) {
	var config net.ListenConfig
	err = s.enter(func() error {
		made, err := config.ListenPacket(ctx, "udp", local.String())
		if err == nil {
			c = made.(*net.UDPConn)
		}
		return err
	})
	return c, err
}

// errNoLive says why sockets cannot play a section.
var errNoLive = errors.New("play the flow live: it has what two hosts cannot do or what only an observer can miss: TLS, a listener or process of its own, a timeout, lost bytes, a midlife connection")
