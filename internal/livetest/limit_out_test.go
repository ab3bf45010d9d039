// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connectTo connects from n and waits for the outcome.
func (n *namespace) connectTo(t *testing.T, network string, remote netip.AddrPort) (c net.Conn, err error) {
	t.Helper()
	n.do(t, func() { c, err = net.DialTimeout(network, remote.String(), patience) })
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// TestLimitOut: connect() itself says that it is refused, and nothing is sent. A
// place is taken from connect() on, also while nobody answers, and given back
// when it fails.
func TestLimitOut(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		t.Run(family(ipv6), func(t *testing.T) {
			l := newLink(t)
			server, silent := at(l.b.addr(ipv6), 5060), at(l.silent4, 5060)
			if ipv6 {
				silent = at(l.silent6, 5060)
			}
			accepted := accepting(t, l.b.listen(t, server), false)
			limiter := limits(t, row("neighbour", "enforce", "max_connections: 2, direction: out", server.Addr(), silent.Addr()))

			first, err := l.a.connectTo(t, "tcp", server)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.a.connectTo(t, "tcp", server); err != nil {
				t.Fatal(err)
			}
			if _, err := l.a.connectTo(t, "tcp", server); !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("the third connect: %v, want %v", err, unix.ECONNREFUSED)
			}
			counted(t, limiter, "neighbour", 0, 1)
			accepted.has(t, l.a.addr(ipv6), 2)
			for _, free := range []netip.AddrPort{at(server.Addr(), 80), at(l.a.addr(ipv6), 5060)} { // no port of SIP; another address
				if _, err := l.a.connectTo(t, "tcp", free); !errors.Is(err, unix.ECONNREFUSED) {
					t.Errorf("%v, want the peer's own refusal", err)
				}
			}
			if _, err := l.a.connectTo(t, "udp", server); err != nil {
				t.Errorf("UDP: %v", err)
			}
			counted(t, limiter, "neighbour", 0, 1)

			first.Close()
			accepted.mu.Lock()
			for _, c := range accepted.conns[l.a.addr(ipv6)] {
				c.Close()
			}
			accepted.mu.Unlock()
			becomes(t, limiter, server.Addr(), 1)
			if _, err := l.a.connectTo(t, "tcp", server); err != nil {
				t.Errorf("after one was closed: %v", err)
			}

			waiting := l.a.attempts(t, 2, netip.Addr{}, silent)
			becomes(t, limiter, silent.Addr(), 2)
			if _, err := l.a.connectTo(t, "tcp", silent); !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("beside two that wait: %v, want %v", err, unix.ECONNREFUSED)
			}
			for _, a := range waiting {
				a.close()
			}
			becomes(t, limiter, silent.Addr(), 0)
		})
	}
}

// TestLimitOutRate: a process that swamps a neighbour gets its rate, and another
// neighbour is reached as ever.
func TestLimitOutRate(t *testing.T) {
	l := newLink(t)
	server, other := at(l.b.v4, 5060), at(l.b.v6, 5060)
	accepting(t, l.b.listen(t, server), true)
	accepting(t, l.b.listen(t, other), true)
	limiter := limits(t, row("neighbour", "enforce", "connects_per_second: 50, burst: 5, direction: out", server.Addr(), other.Addr()))
	passed, refused := 0, 0
	start := time.Now()
	l.a.do(t, func() {
		tick := time.NewTicker(time.Second / 500)
		defer tick.Stop()
		for time.Since(start) < 2*time.Second {
			<-tick.C
			a, err := newAttempt(l.a.v4, server)
			switch {
			case err == nil:
				passed++
				a.close()
			case errors.Is(err, unix.ECONNREFUSED):
				refused++
			default:
				t.Error(err)
				return
			}
		}
	})
	may := 5 + 50*time.Since(start).Seconds()
	if got := float64(passed); refused < passed || got < may*0.95 || got > may*1.05 {
		t.Errorf("%d passed and %d were refused, want %.0f", passed, refused, may)
	}
	counted(t, limiter, "neighbour", 0, uint64(refused))
	if _, err := l.a.connectTo(t, "tcp", other); err != nil {
		t.Errorf("the other neighbour: %v", err)
	}
}
