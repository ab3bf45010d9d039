// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"context"
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLimitMPTCP: listeners of Go programs are MPTCP's, and connect() of an MPTCP
// socket is its first subflow's. Both are limited like others.
func TestLimitMPTCP(t *testing.T) {
	l := newLink(t)
	server := at(l.b.v4, 5060)
	var listener net.Listener
	l.b.do(t, func() {
		var config net.ListenConfig
		config.SetMultipathTCP(true)
		var err error
		if listener, err = config.Listen(context.Background(), "tcp", server.String()); err != nil {
			t.Fatal(err)
		}
	})
	accepted := accepting(t, listener.(*net.TCPListener), false)
	limiter := limits(t,
		row("called", "enforce", "max_connections: 2, direction: out", l.b.v4),
		row("caller", "enforce", "max_connections: 1, direction: in", l.a.v4))
	dial := func() (c net.Conn, err error) {
		l.a.do(t, func() {
			d := net.Dialer{Timeout: patience}
			d.SetMultipathTCP(true)
			c, err = d.Dial("tcp", server.String())
		})
		return c, err
	}
	first, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	l.a.attempts(t, 1, l.a.v4, server) // its SYN is dropped; from connect() on it has its place
	counted(t, limiter, "caller", 1, 0)
	if _, err := dial(); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("the third connect(): %v, want %v", err, unix.ECONNREFUSED)
	}
	accepted.has(t, l.a.v4, 1)
}
