// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// patience is how long one end waits for what the other one has done.
const patience = 10 * time.Second

// Stage is a flow that is being played live. It is for one goroutine.
type Stage struct {
	hosts     [2]Host // by side
	conns     map[*conn]*[2]*net.TCPConn
	listeners map[netip.AddrPort]*net.TCPListener
	datagrams map[netip.AddrPort]*net.UDPConn
}

// Live plays a section with real sockets, in real time: each end waits until it
// has what the other one sent before the next thing happens, so that all is in
// the flow's order. When it returns the flow's time is over and what the flow
// leaves open is open; Close ends that, with resets.
func Live(ctx context.Context, s *Section, local, remote Host) (*Stage, error) {
	if !s.Live() {
		return nil, errNoLive
	}
	st := &Stage{
		hosts:     [2]Host{local, remote},
		conns:     make(map[*conn]*[2]*net.TCPConn),
		listeners: make(map[netip.AddrPort]*net.TCPListener),
		datagrams: make(map[netip.AddrPort]*net.UDPConn),
	}
	began := time.Now()
	for i := range s.actions {
		a := &s.actions[i]
		if err := until(ctx, began.Add(a.at)); err != nil {
			return nil, errors.Join(err, st.Close())
		}
		if err := st.play(ctx, a); err != nil {
			return nil, errors.Join(fmt.Errorf("play the flow live, at %s on %s: %w", a.at, a.conn.name, err), st.Close())
		}
	}
	if err := until(ctx, began.Add(s.end)); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

func until(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends all that is left.
func (st *Stage) Close() error {
	var errs []error
	for _, pair := range st.conns {
		for _, c := range pair {
			if c != nil {
				c.SetLinger(0)
				errs = append(errs, closed(c))
			}
		}
	}
	for _, l := range st.listeners {
		errs = append(errs, closed(l))
	}
	for _, d := range st.datagrams {
		errs = append(errs, closed(d))
	}
	return errors.Join(errs...)
}

func closed(c io.Closer) error {
	if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (st *Stage) play(ctx context.Context, a *action) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch a.kind {
	case opens:
		if a.conn.transport == event.UDP {
			return st.bind(ctx, a.conn)
		}
		return st.connect(ctx, a.conn)
	case fails:
		return st.refused(ctx, a.conn)
	case sends:
		if a.conn.transport == event.UDP {
			return st.datagram(a)
		}
		return st.stream(a)
	case finishes:
		if err := st.end(a.conn, a.side).CloseWrite(); err != nil {
			return err
		}
		return ended(st.end(a.conn, other(a.side)), io.EOF)
	case closes:
		return st.closes(a)
	}
	return fmt.Errorf("no socket can do what is of kind %d", a.kind)
}

func (st *Stage) end(c *conn, s event.Side) *net.TCPConn { return st.conns[c][index(s)] }

// listener is made when it is first needed, and stays.
func (st *Stage) listener(ctx context.Context, c *conn) (*net.TCPListener, error) {
	side := other(c.initiator)
	a := c.address(side)
	if l := st.listeners[a]; l != nil {
		return l, nil
	}
	l, err := st.hosts[index(side)].Listen(ctx, a)
	if err == nil {
		st.listeners[a] = l
	}
	return l, err
}

func (st *Stage) connect(ctx context.Context, c *conn) error {
	l, err := st.listener(ctx, c)
	if err != nil {
		return err
	}
	dialed, err := st.hosts[index(c.initiator)].Dial(ctx, c.address(c.initiator), c.address(other(c.initiator)))
	if err != nil {
		return err
	}
	var pair [2]*net.TCPConn
	pair[index(c.initiator)] = dialed
	st.conns[c] = &pair
	l.SetDeadline(time.Now().Add(patience))
	accepted, err := l.AcceptTCP()
	pair[index(other(c.initiator))] = accepted
	return err
}

// refused connects to where nobody listens.
func (st *Stage) refused(ctx context.Context, c *conn) error {
	if l := st.listeners[c.remote]; l != nil {
		delete(st.listeners, c.remote)
		if err := l.Close(); err != nil {
			return err
		}
	}
	dialed, err := st.hosts[index(event.Local)].Dial(ctx, c.local, c.remote)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err == nil {
		err = errors.Join(errors.New("something listens there"), dialed.Close())
	}
	return err
}

// bind makes the sockets of both ends, if they are not there.
func (st *Stage) bind(ctx context.Context, c *conn) error {
	for _, side := range []event.Side{event.Local, event.Remote} {
		a := c.address(side)
		if st.datagrams[a] != nil {
			continue
		}
		d, err := st.hosts[index(side)].Datagrams(ctx, a)
		if err != nil {
			return err
		}
		st.datagrams[a] = d
	}
	return nil
}

func (st *Stage) datagram(a *action) error {
	from, to := a.conn.address(a.side), a.conn.address(other(a.side))
	if _, err := st.datagrams[from].WriteToUDPAddrPort(a.data, to); err != nil {
		return err
	}
	d := st.datagrams[to]
	d.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, len(a.data)+1)
	n, source, err := d.ReadFromUDPAddrPort(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(b[:n], a.data) || source.Port() != from.Port() || source.Addr().Unmap() != from.Addr() {
		return fmt.Errorf("%q came from %s, %q was sent from %s", b[:n], source, a.data, from)
	}
	return nil
}

// stream writes the segments one by one: each has come in before the next.
func (st *Stage) stream(a *action) error {
	from, to := st.end(a.conn, a.side), st.end(a.conn, other(a.side))
	for _, part := range segments(a) {
		from.SetWriteDeadline(time.Now().Add(patience))
		if _, err := from.Write(part); err != nil {
			return err
		}
		to.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, len(part))
		if _, err := io.ReadFull(to, b); err != nil {
			return err
		}
		if !bytes.Equal(b, part) {
			return fmt.Errorf("%q came in, %q was sent", b, part)
		}
	}
	return nil
}

// ended waits until the other end's FIN or reset is there.
func ended(c *net.TCPConn, want error) error {
	c.SetReadDeadline(time.Now().Add(patience))
	var b [1]byte
	if n, err := c.Read(b[:]); n != 0 || !errors.Is(err, want) {
		return fmt.Errorf("wait for the end of the stream: %d bytes and %v, want %w", n, err, want)
	}
	return nil
}

// closes closes both ends. After a reset the other end has to see it first.
func (st *Stage) closes(a *action) error {
	side := a.side
	if a.how == event.RST {
		if err := st.end(a.conn, side).SetLinger(0); err != nil {
			return err
		}
	}
	if err := st.end(a.conn, side).Close(); err != nil {
		return err
	}
	if a.how == event.RST {
		if err := st.reset(a.conn, other(side)); err != nil {
			return err
		}
	}
	return st.end(a.conn, other(side)).Close()
}

// reset waits for the other end's RST. An end that has got its FIN before has
// nothing to read any more.
func (st *Stage) reset(c *conn, side event.Side) error {
	if c.finished[index(other(side))] {
		return nil
	}
	return ended(st.end(c, side), syscall.ECONNRESET)
}
