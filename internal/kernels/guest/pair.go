// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/viaduct-project/viaduct/internal/kernels"
)

// pair is two sockets of this process that talk to each other over loopback.
type pair struct {
	kernels.Call
	caller, called net.Conn
	sockets        [2]*counted // below those, the caller's first
}

// open makes a pair; address is the called side's. The called socket of a UDP
// pair is not connected, as those of servers are not.
func open(ctx context.Context, network, address string) (*pair, error) {
	connect := connectTCP
	if network == "udp" {
		connect = connectUDP
	}
	caller, called, err := connect(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("open %s to %s: %w", network, address, err)
	}
	p := &pair{
		Call: kernels.Call{
			Network: network,
			Caller:  caller.LocalAddr().String(),
			Called:  caller.RemoteAddr().String(),
		},
		sockets: [2]*counted{{Conn: caller}, {Conn: called}},
	}
	p.caller, p.called = p.sockets[0], p.sockets[1]
	if network == "tls" {
		if err := p.secure(ctx); err != nil {
			return nil, fmt.Errorf("open %s to %s: %w", network, address, errors.Join(err, caller.Close(), called.Close()))
		}
	}
	return p, nil
}

func connectTCP(ctx context.Context, address string) (caller, called net.Conn, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	caller, err = new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	called, err = l.Accept() // the kernel has it waiting
	if err != nil {
		return nil, nil, errors.Join(err, caller.Close())
	}
	return caller, called, nil
}

func connectUDP(ctx context.Context, address string) (caller, called net.Conn, err error) {
	listening, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, nil, err
	}
	caller, err = new(net.Dialer).DialContext(ctx, "udp", listening.LocalAddr().String())
	if err != nil {
		return nil, nil, errors.Join(err, listening.Close())
	}
	return caller, &datagrams{PacketConn: listening}, nil
}

// talk plays the call and leaves the sockets open. When ctx is done the sockets
// close under it, so that a lost message is an error and not a hang.
func (p *pair) talk(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.caller.Close(); p.called.Close() })
	defer stop()
	answered := make(chan error, 1)
	go func() { answered <- answer(p.called) }()
	if err := call(p.caller, p.Call); err != nil {
		return fmt.Errorf("call over %s to %s: %w", p.Network, p.Called, err)
	}
	if err := <-answered; err != nil {
		return fmt.Errorf("answer over %s at %s: %w", p.Network, p.Called, err)
	}
	return nil
}

// close closes the caller's socket first. On a stream the called side waits for
// it, which makes sure who closed, and says nothing more.
func (p *pair) close() error {
	err := p.caller.Close()
	if p.Network != "udp" {
		if n, readErr := io.Copy(io.Discard, p.called); n > 0 || readErr != nil {
			err = errors.Join(err, fmt.Errorf("after the call: %d bytes, error %v", n, readErr))
		}
	}
	p.FromCaller, p.FromCalled = p.sockets[0].written, p.sockets[1].written
	return errors.Join(err, p.sockets[1].Close())
}

// counted knows how many bytes were written.
type counted struct {
	net.Conn
	written int
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written += n
	return n, err
}

// datagrams reads and writes an unconnected UDP socket that has one peer.
type datagrams struct {
	net.PacketConn
	peer net.Addr
}

func (d *datagrams) Read(b []byte) (n int, err error) {
	n, d.peer, err = d.ReadFrom(b)
	return n, err
}

func (d *datagrams) RemoteAddr() net.Addr { return d.peer }

func (d *datagrams) Write(b []byte) (int, error) { return d.WriteTo(b, d.peer) }
