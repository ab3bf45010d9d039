// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/limit"
)

// limits has one connection at a time: to one address more are refused, to
// another they are counted where they arrive, and let through.
func (l *log) limits() (err error) {
	row := func(name, cidr string, mode policy.Mode, limits policy.Limits) policy.Peer {
		return policy.Peer{Name: name, Enforce: mode, Limits: limits, Match: policy.Match{CIDRs: []netip.Prefix{netip.MustParsePrefix(cidr)}}}
	}
	p := &policy.Policy{
		Peers: []policy.Peer{
			row("called", "127.0.0.2/32", policy.Enforce, policy.Limits{MaxConnections: 1, Out: true}),
			row("caller", "127.0.0.1/32", policy.DryRun, policy.Limits{MaxConnections: 1, ConnectsPerSecond: 100, In: true}),
		},
		Fallback: policy.Peer{Name: policy.Other},
	}
	older, err := l.connects("127.0.0.3:5060", 1)
	defer closeAll(older)
	if err != nil {
		return err
	}
	limiter, err := limit.Start(p, limit.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, limiter.Close()) }()

	refused, err := l.connects("127.0.0.2:5060", 2)
	defer closeAll(refused)
	if len(refused) != 2 || !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("of two connects %d sockets are there, error %v; want one refused", len(refused), err)
	}
	passed, err := l.connects("127.0.0.3:5060", 1)
	defer closeAll(passed)
	if err != nil {
		return err
	}
	counts, err := limiter.Counters()
	if err != nil {
		return err
	}
	// The caller of 127.0.0.2 is 127.0.0.1 as well, and the older connection counts.
	want := []limit.Count{
		{Peer: "called", Direction: "in", Mode: policy.Enforce}, {Peer: "called", Direction: "out", Mode: policy.Enforce, Refused: 1},
		{Peer: "caller", Direction: "in", Mode: policy.DryRun, Refused: 2}, {Peer: "caller", Direction: "out", Mode: policy.DryRun},
	}
	for _, w := range want {
		if !slices.Contains(counts, w) {
			return fmt.Errorf("counted %+v, want %+v among them", counts, w)
		}
	}
	return nil
}

// connects opens n connections to a listener of its own, and returns the sockets
// of both ends. The error is that of a connect.
func (l *log) connects(address string, n int) (all []net.Conn, err error) {
	listener, err := new(net.ListenConfig).Listen(l.ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	// All from one address, which 127.0.0.2 would not be by itself.
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	for range n {
		ctx, cancel := context.WithTimeout(l.ctx, deadline/10)
		defer cancel()
		caller, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return all, err
		}
		all = append(all, caller)
		called, err := listener.Accept()
		if err != nil {
			return all, err
		}
		all = append(all, called)
	}
	return all, nil
}

func closeAll(all []net.Conn) {
	for _, c := range all {
		c.Close()
	}
}
