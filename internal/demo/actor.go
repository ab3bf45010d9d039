// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// patience is how long an actor waits for what the other one has to send. On
// one host everything comes at once; this is for a host that is very busy.
const patience = 5 * time.Second

// actor is the server or a peer.
type actor struct {
	play     *Play
	name     string         // user part of its URIs
	addr     netip.AddrPort // of listener, and its sent-by
	listener *net.TCPListener
}

func newActor(p *Play, name string, l *net.TCPListener) *actor {
	return &actor{play: p, name: name, addr: local(l.Addr()), listener: l}
}

func local(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

// dial opens a connection from a's own address.
func (a *actor) dial(ctx context.Context, to *actor) (*conn, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.addr.Addr(), 0)), Timeout: patience}
	raw, err := d.DialContext(ctx, "tcp", to.addr.String())
	if errors.Is(err, syscall.ENETUNREACH) {
		return nil, fmt.Errorf("%w; bring the loopback up: ip link set lo up", err)
	} else if err != nil {
		return nil, err
	}
	c := newConn(a, raw.(*net.TCPConn))
	a.play.opened(c.ends)
	return c, nil
}

// accept waits for the connection that has the same two ends as c, a's being
// the other one. Who else may connect is sent away.
func (a *actor) accept(c *conn) (*conn, error) {
	if err := a.listener.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for {
		raw, err := a.listener.AcceptTCP()
		if err != nil {
			return nil, err
		}
		mine := newConn(a, raw)
		if mine.ends == c.ends {
			return mine, nil
		}
		_ = raw.Close() // a stranger
	}
}

// close ends c by a FIN; everything that came in has been read.
func (c *conn) close() error {
	c.actor.play.closed(c.ends)
	return c.Close()
}

// reset ends c by an RST.
func (c *conn) reset() error {
	c.actor.play.closed(c.ends)
	if err := c.SetLinger(0); err != nil {
		return fmt.Errorf("prepare the reset: %w", err)
	}
	return c.Close()
}

// wait lets d pass, unless ctx ends it.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
