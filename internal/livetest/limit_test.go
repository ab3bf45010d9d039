// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/limit"
	"github.com/viaduct-project/viaduct/internal/policyfile"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// variants are the ways a kernel keeps what is half open; the limit is in front
// of all of them.
func variants(t *testing.T, test func(t *testing.T, l *link, listener func(netip.AddrPort) *net.TCPListener, ipv6 bool)) {
	for _, v := range []struct {
		name                    string
		ipv6, cookies, deferred bool
	}{
		{name: "plain"}, {name: "plain, IPv6", ipv6: true},
		{name: "SYN cookies", cookies: true}, {name: "SYN cookies, IPv6", ipv6: true, cookies: true},
		{name: "TCP_DEFER_ACCEPT", deferred: true},
	} {
		t.Run(v.name, func(t *testing.T) {
			l := newLink(t)
			if v.cookies {
				l.b.set(t, "net/ipv4/tcp_syncookies", "2") // always, not under pressure only
			}
			test(t, l, func(server netip.AddrPort) *net.TCPListener {
				listener := l.b.listen(t, server)
				if v.deferred {
					control(t, listener, func(fd int) error {
						return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 5)
					})
				}
				return listener
			}, v.ipv6)
		})
	}
}

// sources gives a addresses of a family, from which it can connect.
func (l *link) sources(t *testing.T, ipv6 bool) [3]netip.Addr {
	t.Helper()
	if !ipv6 {
		all := [3]netip.Addr{l.a.v4, l.silent4, l.silent4.Next().Next()} // .1, .3, .5 of eight
		testutil.IP(t, fmt.Sprintf("neigh del %s dev sip0\naddr add %s/29 dev sip0\naddr add %s/29 dev sip0\n", all[1], all[1], all[2]), "-n", l.a.name, "-batch", "-")
		return all
	}
	all := [3]netip.Addr{l.a.v6}
	for i := 1; i < len(all); i++ {
		b := l.a.v6.As16()
		b[14] = byte(i)
		all[i] = netip.AddrFrom16(b)
		testutil.IP(t, "", "-n", l.a.name, "addr", "add", all[i].String()+"/64", "dev", "sip0", "nodad")
	}
	return all
}

// limits keeps the limits of peers, the rows of a policy in YAML, in force until
// the test ends.
func limits(t *testing.T, peers ...string) *limit.Limiter {
	t.Helper()
	p, err := policyfile.Parse("limits.yaml", []byte("version: 1\npeers:\n"+strings.Join(peers, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	l, err := limit.Start(p, limit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// row is one row of a policy, for addresses of a link.
func row(name, enforce, limits string, cidrs ...netip.Addr) string {
	var all []string
	for _, a := range cidrs {
		all = append(all, fmt.Sprintf("'%s/%d'", a, a.BitLen()))
	}
	return fmt.Sprintf("- {name: %s, enforce: %s, match: {cidrs: [%s]}, limits: {%s}}", name, enforce, strings.Join(all, ", "), limits)
}

// counted waits for what a row's counters say: the refusals in and out.
func counted(t *testing.T, l *limit.Limiter, peer string, in, out uint64) {
	t.Helper()
	until(t, func() string {
		counts, err := l.Counters()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range counts {
			if c.Peer == peer && (c.Direction == "in" && c.Refused != in || c.Direction == "out" && c.Refused != out) {
				return fmt.Sprintf("%s: %d refused %s, want %d in and %d out", peer, c.Refused, c.Direction, in, out)
			}
		}
		return ""
	})
}

// open is how many connections the limiter counts of an address.
func open(t *testing.T, l *limit.Limiter, a netip.Addr) (n uint64) {
	t.Helper()
	all, err := l.Sources()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Address == a {
			n += s.Open
		}
	}
	return n
}

func becomes(t *testing.T, l *limit.Limiter, a netip.Addr, want uint64) {
	t.Helper()
	until(t, func() string {
		if got := open(t, l, a); got != want {
			return fmt.Sprintf("%d connections of %v are counted, want %d", got, a, want)
		}
		return ""
	})
}
