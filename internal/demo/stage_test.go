// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The demo goes where it is free for all actors, and leaves nothing behind
// where it was not.
func TestBind(t *testing.T) {
	t.Parallel()
	const actors = 3
	taken, free := netip.MustParseAddrPort("127.9.1.10:5060"), netip.MustParseAddrPort("127.9.2.10:5060")
	last := netip.MustParseAddrPort("127.9.1.12:5060")
	occupant, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(last))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { occupant.Close() })

	listeners, err := bind(actors, slices.Values([]netip.AddrPort{taken, free}))
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range listeners {
		want := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 9, 2, byte(10 + i)}), 5060)
		if got := local(l.Addr()); got != want {
			t.Errorf("actor %d listens at %v, want %v", i, got, want)
		}
		t.Cleanup(func() { l.Close() })
	}
	again, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(taken))
	if err != nil {
		t.Errorf("the stage that was not taken is still held: %v", err)
	} else {
		again.Close()
	}

	_, err = bind(actors, slices.Values([]netip.AddrPort{taken}))
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), last.String()) {
		t.Errorf("without a free stage: %v, want an error that names %v", err, last)
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	all := slices.Collect(stages())
	if all[0] != netip.MustParseAddrPort("127.0.0.10:5060") {
		t.Errorf("the first stage is %v", all[0])
	}
	ports := map[uint16]bool{}
	for _, s := range all {
		if !s.Addr().IsLoopback() || s.Port() == 5061 {
			t.Errorf("%v is not a place for plain SIP on the loopback", s)
		}
		ports[s.Port()] = true
	}
	if len(ports) < 10 {
		t.Errorf("only %d ports to go to when 5060 is taken on all addresses", len(ports))
	}
}
