// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"syscall"
)

// stages are the places for a play, best first, each as the server's address;
// the peers' addresses follow it. They are chosen beside 127.0.0.1, where other
// programs are. The SIP port comes first, at addresses enough for a few demos
// at a time; a server that holds it on all addresses leaves the other ports.
// None of these is 5061, which stands for TLS.
func stages() iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		for block := range byte(10) {
			if !yield(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, block, 10}), 5060)) {
				return
			}
		}
		for port := uint16(5070); port < 6000; port += 10 {
			if !yield(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 10}), port)) {
				return
			}
		}
	}
}

// bind listens for n actors, at the first of the stages that is free for all.
func bind(n int, stages iter.Seq[netip.AddrPort]) (listeners []*net.TCPListener, err error) {
	for stage := range stages {
		listeners, err = bindAt(stage, n)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return listeners, err
		}
	}
	return nil, fmt.Errorf("no port is free for the demo, stop one of the programs that listen there: %w", err)
}

func bindAt(addr netip.AddrPort, n int) ([]*net.TCPListener, error) {
	var listeners []*net.TCPListener
	for range n {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
		if err != nil {
			for _, l := range listeners {
				_ = l.Close() // nobody has used it
			}
			return nil, err
		}
		listeners = append(listeners, l)
		addr = netip.AddrPortFrom(addr.Addr().Next(), addr.Port())
	}
	return listeners, nil
}
