// SPDX-License-Identifier: Apache-2.0

// Package stage plays a flow live: two hosts with real sockets, in real time.
package stage

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
	"github.com/viaduct-project/viaduct/internal/flow"
)

// patience is how long one end waits for what the other one has done.
const patience = 10 * time.Second

// Stage is a flow that is being played live. It is for one goroutine.
type Stage struct {
	hosts     [2]Host // by side
	conns     map[*flow.Conn]*ends
	listeners map[netip.AddrPort]*net.TCPListener
	datagrams map[netip.AddrPort]*net.UDPConn
}

// Play plays a section with real sockets, in real time: each end waits until it
// has what the other one sent before the next thing happens, so that all is in
// the flow's order. When it returns the flow's time is over and what the flow
// leaves open is open; Close ends that, with resets.
func Play(ctx context.Context, s *flow.Section, local, remote Host) (*Stage, error) {
	if !s.Live() {
		return nil, errNoLive
	}
	st := &Stage{
		hosts:     [2]Host{local, remote},
		conns:     make(map[*flow.Conn]*ends),
		listeners: make(map[netip.AddrPort]*net.TCPListener),
		datagrams: make(map[netip.AddrPort]*net.UDPConn),
	}
	began := time.Now()
	for _, a := range s.Actions() {
		if err := until(ctx, began.Add(a.At)); err != nil {
			return nil, errors.Join(err, st.Close())
		}
		if err := st.play(ctx, &a); err != nil {
			return nil, errors.Join(fmt.Errorf("play the flow live, at %s on %s: %w", a.At, a.Conn.Name, err), st.Close())
		}
	}
	if err := until(ctx, began.Add(s.Duration())); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// ends are the two sockets of a connection, and which of them sent a FIN.
type ends struct {
	conns    [2]*net.TCPConn
	finished [2]bool
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
		for _, c := range pair.conns {
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

func (st *Stage) play(ctx context.Context, a *flow.Action) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch a.Act {
	case flow.Opens:
		if a.Conn.Transport == event.UDP {
			return st.bind(ctx, a.Conn)
		}
		return st.connect(ctx, a.Conn)
	case flow.Fails:
		return st.refused(ctx, a.Conn)
	case flow.Sends:
		if a.Conn.Transport == event.UDP {
			return st.datagram(a)
		}
		return st.stream(a)
	case flow.Finishes:
		st.conns[a.Conn].finished[flow.Index(a.Side)] = true
		if err := st.end(a.Conn, a.Side).CloseWrite(); err != nil {
			return err
		}
		return ended(st.end(a.Conn, flow.Other(a.Side)), io.EOF)
	case flow.Closes:
		return st.closes(a)
	}
	return fmt.Errorf("no socket can do what is of kind %d", a.Act)
}

func (st *Stage) end(c *flow.Conn, s event.Side) *net.TCPConn {
	return st.conns[c].conns[flow.Index(s)]
}

// listener is made when it is first needed, and stays.
func (st *Stage) listener(ctx context.Context, c *flow.Conn) (*net.TCPListener, error) {
	side := flow.Other(c.Initiator)
	a := c.Address(side)
	if l := st.listeners[a]; l != nil {
		return l, nil
	}
	l, err := st.hosts[flow.Index(side)].Listen(ctx, a)
	if err == nil {
		st.listeners[a] = l
	}
	return l, err
}

func (st *Stage) connect(ctx context.Context, c *flow.Conn) error {
	l, err := st.listener(ctx, c)
	if err != nil {
		return err
	}
	dialed, err := st.hosts[flow.Index(c.Initiator)].Dial(ctx, c.Address(c.Initiator), c.Address(flow.Other(c.Initiator)))
	if err != nil {
		return err
	}
	pair := &ends{}
	pair.conns[flow.Index(c.Initiator)] = dialed
	st.conns[c] = pair
	l.SetDeadline(time.Now().Add(patience))
	accepted, err := l.AcceptTCP()
	pair.conns[flow.Index(flow.Other(c.Initiator))] = accepted
	return err
}

// refused connects to where nobody listens.
func (st *Stage) refused(ctx context.Context, c *flow.Conn) error {
	if l := st.listeners[c.Remote]; l != nil {
		delete(st.listeners, c.Remote)
		if err := l.Close(); err != nil {
			return err
		}
	}
	dialed, err := st.hosts[flow.Index(event.Local)].Dial(ctx, c.Local, c.Remote)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err == nil {
		err = errors.Join(errors.New("something listens there"), dialed.Close())
	}
	return err
}

// bind makes the sockets of both ends, if they are not there.
func (st *Stage) bind(ctx context.Context, c *flow.Conn) error {
	for _, side := range []event.Side{event.Local, event.Remote} {
		a := c.Address(side)
		if st.datagrams[a] != nil {
			continue
		}
		d, err := st.hosts[flow.Index(side)].Datagrams(ctx, a)
		if err != nil {
			return err
		}
		st.datagrams[a] = d
	}
	return nil
}

func (st *Stage) datagram(a *flow.Action) error {
	from, to := a.Conn.Address(a.Side), a.Conn.Address(flow.Other(a.Side))
	if _, err := st.datagrams[from].WriteToUDPAddrPort(a.Data, to); err != nil {
		return err
	}
	d := st.datagrams[to]
	d.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, len(a.Data)+1)
	n, source, err := d.ReadFromUDPAddrPort(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(b[:n], a.Data) || source.Port() != from.Port() || source.Addr().Unmap() != from.Addr() {
		return fmt.Errorf("%q came from %s, %q was sent from %s", b[:n], source, a.Data, from)
	}
	return nil
}

// stream writes the segments one by one: each has come in before the next.
func (st *Stage) stream(a *flow.Action) error {
	from, to := st.end(a.Conn, a.Side), st.end(a.Conn, flow.Other(a.Side))
	for _, part := range a.Segments() {
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
func (st *Stage) closes(a *flow.Action) error {
	side := a.Side
	if a.How == event.RST {
		if err := st.end(a.Conn, side).SetLinger(0); err != nil {
			return err
		}
	}
	if err := st.end(a.Conn, side).Close(); err != nil {
		return err
	}
	if a.How == event.RST {
		if err := st.reset(a.Conn, flow.Other(side)); err != nil {
			return err
		}
	}
	return st.end(a.Conn, flow.Other(side)).Close()
}

// reset waits for the other end's RST. An end that has got its FIN before has
// nothing to read any more.
func (st *Stage) reset(c *flow.Conn, side event.Side) error {
	if st.conns[c].finished[flow.Index(flow.Other(side))] {
		return nil
	}
	return ended(st.end(c, side), syscall.ECONNRESET)
}
