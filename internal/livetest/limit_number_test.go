// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// speak has those that were established send a byte, which TCP_DEFER_ACCEPT
// waits for, and returns how many they are.
func speak(all []attempt) (n int) {
	for _, a := range all {
		if a.established() {
			unix.Write(int(a), []byte("x"))
			n++
		}
	}
	return n
}

// TestLimitNumber: of ten times as many connections as a peer may have at a
// time, however they are opened, exactly as many are accepted; another peer of
// the row has its own number. What does not end a connection frees no place.
func TestLimitNumber(t *testing.T) {
	const most = 10
	variants(t, func(t *testing.T, l *link, listener func(netip.AddrPort) *net.TCPListener, ipv6 bool) {
		from := l.sources(t, ipv6)
		server := at(l.b.addr(ipv6), 5060)
		accepted := accepting(t, listener(server), false)
		limiter := limits(t, row("numbered", "enforce", fmt.Sprintf("max_connections: %d", most), from[:]...))

		greedy := l.a.attempts(t, 10*most, from[1], server)
		modest := l.a.attempts(t, most, from[2], server)
		until(t, func() string {
			speak(greedy)
			if speak(modest) == most && accepted.of(from[1]) == most && accepted.of(from[2]) == most {
				return ""
			}
			return fmt.Sprintf("accepted %d and %d, want %d of each", accepted.of(from[1]), accepted.of(from[2]), most)
		})
		counted(t, limiter, "numbered", 10*most-most, 0)
		becomes(t, limiter, from[1], most)

		// A half-close keeps its place.
		for _, a := range greedy {
			unix.Shutdown(int(a), unix.SHUT_WR)
		}
		accepted.mu.Lock()
		for _, c := range accepted.conns[from[1]] {
			if _, err := io.Copy(io.Discard, c); err != nil { // up to the end of the stream
				t.Error(err)
			}
		}
		accepted.mu.Unlock()
		if got := open(t, limiter, from[1]); got != most {
			t.Errorf("after half-closes %d connections are counted, want %d", got, most)
		}
		if err := limiter.Recount(); err != nil {
			t.Fatal(err)
		}
		if got := open(t, limiter, from[1]); got != most {
			t.Errorf("a recount after half-closes gives %d, want %d", got, most)
		}

		// The end of both sides frees one, for one.
		for _, a := range greedy {
			a.close()
		}
		accepted.mu.Lock()
		for _, c := range accepted.conns[from[1]] {
			c.Close()
		}
		accepted.mu.Unlock()
		becomes(t, limiter, from[1], 0)
		becomes(t, limiter, from[2], most)
		again := l.a.attempts(t, 1, from[1], server)
		until(t, func() string {
			speak(again)
			if got := accepted.of(from[1]); got != most+1 {
				return fmt.Sprintf("%d accepted, want one more", got)
			}
			return ""
		})
		if losses, err := limiter.Losses(); err != nil || losses.NoRoom != 0 || losses.NoBucket != 0 || losses.NoStorage != 0 || losses.Corrected != 0 {
			t.Errorf("%+v, %v", losses, err)
		}
	})
}
