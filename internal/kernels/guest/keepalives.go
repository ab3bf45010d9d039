// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/act"
)

// keepalives has a STUN request sent from a socket of its own and its answer
// swallowed, and a ping refused on a stream that the kernel encrypts. The doctor
// tries the rest.
func (l *log) keepalives() (err error) {
	probes, err := bpf.Load(bpf.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, probes.Close()) }()
	h, err := act.New(probes)
	if err != nil {
		return err
	}
	defer h.Release()
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		if err := swallows(h, netip.MustParseAddr(loopback)); err != nil {
			return fmt.Errorf("over %s: %w", loopback, err)
		}
	}
	return l.layered(h)
}

// swallows wants the answer to viaduct's request kept from the socket, and that to
// somebody else's not.
func swallows(h *act.Hands, loopback netip.Addr) error {
	bound := net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0))
	socket, err := net.ListenUDP("udp", bound)
	if err != nil {
		return err
	}
	defer socket.Close()
	peer, err := net.ListenUDP("udp", bound)
	if err != nil {
		return err
	}
	defer peer.Close()
	t := act.Target{PID: uint32(os.Getpid()), Local: addrOf(socket), Remote: addrOf(peer)}
	if t.Socket, err = cookie(socket); err != nil {
		return err
	}
	const request, success = 0x0001, 0x0101
	out := act.Outcome{Reason: act.Busy}
	for try := 0; out.Reason == act.Busy && try < 50; try++ { // an emulated processor is late now and then
		out = h.Binding(t, stun(request, "of viaduct's"), true)
	}
	if out.Result != act.Done {
		return fmt.Errorf("ask: %v", out)
	}
	b := make([]byte, 100)
	for _, c := range []*net.UDPConn{socket, peer} {
		if err := c.SetReadDeadline(time.Now().Add(deadline / 10)); err != nil {
			return err
		}
	}
	if _, from, err := peer.ReadFromUDPAddrPort(b); err != nil || from != t.Local {
		return fmt.Errorf("the request came from %s, want %s, error %w", from, t.Local, err)
	}
	want := stun(success, "somebody's..")
	for _, answer := range [][]byte{stun(success, "of viaduct's"), want} {
		if _, err := peer.WriteToUDPAddrPort(answer, t.Local); err != nil {
			return err
		}
	}
	n, err := socket.Read(b)
	if err != nil || string(b[:n]) != string(want) {
		return fmt.Errorf("the socket got %q, want %q, error %w", b[:n], want, err)
	}
	return nil
}

// layered wants no ping on a stream with TLS in the kernel.
func (l *log) layered(h *act.Hands) error {
	caller, called, err := connectTCP(l.ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer caller.Close()
	defer called.Close()
	c := caller.(*net.TCPConn)
	t := act.Target{
		PID:   uint32(os.Getpid()),
		Local: netip.MustParseAddrPort(c.LocalAddr().String()), Remote: netip.MustParseAddrPort(c.RemoteAddr().String()),
	}
	if t.Socket, err = cookie(c); err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	controlled := raw.Control(func(fd uintptr) { err = unix.SetsockoptString(int(fd), unix.SOL_TCP, unix.TCP_ULP, "tls") })
	if err := errors.Join(controlled, err); err != nil {
		return fmt.Errorf("put TLS on a connection: %w", err)
	}
	const anywhere = 0
	if out := h.Ping(t, anywhere, func() error { return nil }); out.Result != act.Failed {
		return fmt.Errorf("a ping on a stream that the kernel encrypts: %v", out)
	}
	return nil
}

// stun is a message without attributes (RFC 8489 section 5); id has 12 bytes.
func stun(kind uint16, id string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(kind)<<16)
	return append(binary.BigEndian.AppendUint32(b, 0x2112A442), id...)
}

func addrOf(c *net.UDPConn) netip.AddrPort { return netip.MustParseAddrPort(c.LocalAddr().String()) }

func cookie(c syscall.Conn) (value uint64, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlled := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_COOKIE) })
	return value, errors.Join(controlled, err)
}
