// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// TestLimitRate: a peer that connects ten times as often as it may gets what it
// may, within a twentieth, and one that keeps to it loses nothing.
func TestLimitRate(t *testing.T) {
	const rate, burst, seconds = 40, 10, 3
	variants(t, func(t *testing.T, l *link, listener func(netip.AddrPort) *net.TCPListener, ipv6 bool) {
		from := l.sources(t, ipv6)
		server := at(l.b.addr(ipv6), 5060)
		accepted := accepting(t, listener(server), true)
		limiter := limits(t, row("rated", "enforce", fmt.Sprintf("connects_per_second: %d, burst: %d", rate, burst), from[:]...))

		var peers sync.WaitGroup
		var badTried, goodTried, goodGot int
		start := time.Now()
		peers.Go(func() { badTried, _ = l.pace(t, from[1], server, 10*rate, seconds*time.Second) })
		peers.Go(func() { goodTried, goodGot = l.pace(t, from[2], server, rate/2, seconds*time.Second) })
		peers.Wait()
		took := time.Since(start) - attemptLife
		may := burst + rate*took.Seconds()
		got := accepted.of(from[1])
		if badTried < 5*rate*seconds {
			t.Fatalf("only %d connects were tried: this shows nothing", badTried)
		}
		if math.Abs(float64(got)-may) > may/20 {
			t.Errorf("%d of %d connections were accepted in %v, want %.0f", got, badTried, took, may)
		}
		if goodGot != goodTried || accepted.of(from[2]) != goodTried {
			t.Errorf("the other peer tried %d, %d were established, %d accepted; want all", goodTried, goodGot, accepted.of(from[2]))
		}
		counted(t, limiter, "rated", uint64(badTried-got), 0)
	})
}

// pace connects so many times a second from one address, for a while. What is
// established sends a byte after half its life, and is reset at the end of it:
// a server that has not accepted it by then never hears of it. It returns how
// many were tried and established.
func (l *link) pace(t *testing.T, local netip.Addr, remote netip.AddrPort, perSecond int, for_ time.Duration) (tried, established int) {
	type begun struct {
		attempt
		at time.Time
	}
	var silent, pending []begun
	settle := func() {
		for len(silent) > 0 && time.Since(silent[0].at) > attemptLife/2 {
			established += speak([]attempt{silent[0].attempt})
			silent = silent[1:]
		}
		for len(pending) > 0 && time.Since(pending[0].at) > attemptLife {
			pending[0].close()
			pending = pending[1:]
		}
	}
	l.a.do(t, func() {
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		for end := time.Now().Add(for_); time.Now().Before(end); settle() {
			<-tick.C
			a, err := newAttempt(local, remote)
			if err != nil {
				t.Error(err)
				return
			}
			tried++
			silent = append(silent, begun{a, time.Now()})
			pending = append(pending, silent[len(silent)-1])
		}
		for len(pending) > 0 { // the last ones live as long as the others did
			<-tick.C
			settle()
		}
	})
	return tried, established
}
