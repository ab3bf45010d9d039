// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/limit"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

const (
	flagSYN = 0x02
	flagRST = 0x04
)

// segment is an Ethernet frame with IPv6, TCP and nothing else.
type segment [14 + 40 + 20]byte

func newSegment(from, to net.HardwareAddr, source, destination netip.AddrPort, seq uint32, flags byte) *segment {
	s := new(segment)
	copy(s[0:], to)
	copy(s[6:], from)
	binary.BigEndian.PutUint16(s[12:], unix.ETH_P_IPV6)
	s[14] = 0x60
	binary.BigEndian.PutUint16(s[18:], 20)
	s[20], s[21] = unix.IPPROTO_TCP, 64
	s.setSource(source.Addr())
	d := destination.Addr().As16()
	copy(s[38:], d[:])
	binary.BigEndian.PutUint16(s[54:], source.Port())
	binary.BigEndian.PutUint16(s[56:], destination.Port())
	binary.BigEndian.PutUint32(s[58:], seq)
	s[66], s[67] = 5<<4, flags
	binary.BigEndian.PutUint16(s[68:], 65535)
	s.sum()
	return s
}

func (s *segment) setSource(a netip.Addr) {
	b := a.As16()
	copy(s[22:], b[:])
}

// sum sets the checksum: over the addresses, length, protocol and TCP header.
func (s *segment) sum() {
	s[70], s[71] = 0, 0
	sum := uint32(20 + unix.IPPROTO_TCP)
	for i := 22; i < len(s); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(s[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(s[70:], ^uint16(sum))
}

// wire opens a packet socket on a's end of the link, and returns both ends'
// Ethernet addresses.
func (l *link) wire(t *testing.T) (fd int, from, to net.HardwareAddr) {
	t.Helper()
	hardware := func(n *namespace) (i *net.Interface) {
		n.do(t, func() {
			var err error
			if i, err = net.InterfaceByName("sip0"); err != nil {
				t.Fatal(err)
			}
		})
		return i
	}
	a, b := hardware(l.a), hardware(l.b)
	l.a.do(t, func() {
		var err error
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: a.Index}); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(fd) })
	return fd, a.HardwareAddr, b.HardwareAddr
}

// TestLimitForged: SYNs sent again pay once, and resets that TCP does not accept
// free no place.
func TestLimitForged(t *testing.T) {
	l := newLink(t)
	from := l.sources(t, true)
	server := at(l.b.v6, 5060)
	accepted := accepting(t, l.b.listen(t, server), false)
	limiter := limits(t,
		row("again", "enforce", "connects_per_second: 0.001, burst: 3", from[1]),
		row("reset", "enforce", "max_connections: 1", from[2]))
	fd, mac, peer := l.wire(t)
	send := func(s *segment) {
		if _, err := unix.Write(fd, s[:]); err != nil {
			t.Fatal(err)
		}
	}

	syn := newSegment(mac, peer, at(from[1], 40000), server, 1234, flagSYN)
	for range 50 {
		send(syn)
	}
	passed := l.a.attempts(t, 2, from[1], server)
	accepted.has(t, from[1], 2)
	refused := l.a.attempts(t, 1, from[1], server)
	counted(t, limiter, "again", 1, 0)
	// The refused one's own copies are the same connection, too.
	copied := newSegment(mac, peer, at(from[1], 40001), server, 99, flagSYN)
	for range 50 {
		send(copied)
	}
	counted(t, limiter, "again", 2, 0)
	if speak(passed) != 2 || speak(refused) != 0 {
		t.Errorf("%d and %d established, want 2 and none", speak(passed), speak(refused))
	}

	l.a.attempts(t, 1, from[2], server)
	accepted.has(t, from[2], 1)
	accepted.mu.Lock()
	client := addrOf(accepted.conns[from[2]][0].RemoteAddr())
	accepted.mu.Unlock()
	for range 1000 {
		send(newSegment(mac, peer, client, server, rand.Uint32(), flagRST))
	}
	l.a.attempts(t, 1, from[2], server)
	counted(t, limiter, "reset", 1, 0) // behind the resets, on the same wire
	if got := open(t, limiter, from[2]); got != 1 {
		t.Errorf("%d connections are counted, want 1", got)
	}
	if got := accepted.of(from[2]); got != 1 {
		t.Errorf("%d were accepted, want 1", got)
	}
}

// TestLimitFlood: a million invented sources take no more memory than the tables
// had from the start, forget nobody who is connected, and keep out nobody who
// means it.
func TestLimitFlood(t *testing.T) {
	const sources = 1_000_000
	l := newLink(t)
	from := l.sources(t, true)
	server := at(l.b.v6, 5060)
	accepted := accepting(t, l.b.listen(t, server), false)
	// All of the link's /48; nobody answers the invented ones.
	network := netip.PrefixFrom(l.a.v6, 48).Masked()
	invented := network.Addr().As16()
	invented[6] = 0xff
	blackhole(t, l.b, netip.PrefixFrom(netip.AddrFrom16(invented), 56))
	limiter := limits(t, "- {name: all, enforce: enforce, match: {cidrs: ['"+network.String()+"']}, limits: {connects_per_second: 5, burst: 5, max_connections: 3}}")
	l.a.attempts(t, 3, from[1], server)
	accepted.has(t, from[1], 3)
	becomes(t, limiter, from[1], 3)

	fd, mac, peer := l.wire(t)
	syn := newSegment(mac, peer, at(netip.AddrFrom16(invented), 40000), server, 1, flagSYN)
	start := time.Now()
	most := bpf.LimitEntries{}
	for i := range sources {
		binary.BigEndian.PutUint32(syn[22+12:], uint32(i)) // the last bytes of the source
		syn.sum()
		for {
			_, err := unix.Write(fd, syn[:])
			if err == nil {
				break
			}
			if err != unix.ENOBUFS {
				t.Fatal(err)
			}
		}
		if i%100_000 == 0 {
			most = larger(t, limiter, most)
		}
	}
	t.Logf("%d SYNs in %v", sources, time.Since(start))
	most = larger(t, limiter, most)
	if most.Buckets < bpf.LimitSources*9/10 || most.Buckets > bpf.LimitSources || most.HalfOpens > bpf.LimitSources {
		t.Errorf("%+v: the flood has to fill the tables, and not more: %d", most, bpf.LimitSources)
	}
	if most.Sources > 2 {
		t.Errorf("%d sources have connections; none of the invented ones may", most.Sources)
	}
	becomes(t, limiter, from[1], 3)
	l.a.attempts(t, 1, from[1], server)
	l.a.attempts(t, 2, from[2], server)
	accepted.has(t, from[2], 2)
	becomes(t, limiter, from[2], 2)
	if got := accepted.of(from[1]); got != 3 {
		t.Errorf("the flood made %d of 3 connections", got)
	}
	if losses, err := limiter.Losses(); err != nil || losses != (bpf.LimitCounters{}) {
		t.Errorf("%+v, %v", losses, err)
	}
}

func larger(t *testing.T, l *limit.Limiter, most bpf.LimitEntries) bpf.LimitEntries {
	t.Helper()
	e, err := l.Entries()
	if err != nil {
		t.Fatal(err)
	}
	return bpf.LimitEntries{
		Buckets: max(e.Buckets, most.Buckets), HalfOpens: max(e.HalfOpens, most.HalfOpens), Sources: max(e.Sources, most.Sources),
	}
}

func blackhole(t *testing.T, n *namespace, p netip.Prefix) {
	t.Helper()
	testutil.IP(t, "", "-n", n.name, "-6", "route", "add", "blackhole", p.String())
}
