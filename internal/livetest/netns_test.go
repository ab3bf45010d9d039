// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// namespace is a network namespace with one link to its neighbour.
type namespace struct {
	name   string
	v4, v6 netip.Addr
}

// link is two namespaces joined by a veth pair. Two more addresses lead
// nowhere: from a, a packet to silent is lost without a word, and one to
// unreachable is answered by b, the router, with an ICMP error.
type link struct {
	a, b                 *namespace
	silent4, silent6     netip.Addr
	unreachable4, unrch6 netip.Addr
}

// linksMax is how many networks of eight addresses fit into the three
// documentation networks (RFC 5737).
const linksMax = 96

var documentation = [3][4]byte{{192, 0, 2}, {198, 51, 100}, {203, 0, 113}}

// newLink makes a link with addresses that no other test on this host uses now,
// in whatever process: reports know addresses, not namespaces. The lock goes
// with its process, so that what a killed run has left is found and removed.
func newLink(t *testing.T) *link {
	t.Helper()
	testutil.RequireRoot(t)
	for n := range linksMax {
		lock, err := os.OpenFile(lockName(n), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			lock.Close()
			continue
		}
		l := addressed(n)
		t.Cleanup(func() {
			l.remove()
			lock.Close()
		})
		l.remove()
		l.create(t)
		return l
	}
	t.Fatal("all networks are in use")
	return nil
}

func lockName(n int) string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("viaduct-livetest-%d.lock", n))
}

func addressed(n int) *link {
	v4 := func(host int) netip.Addr {
		net := documentation[n/32]
		net[3] = byte(n%32*8 + host)
		return netip.AddrFrom4(net)
	}
	v6 := func(host int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(n), 15: byte(host)})
	}
	name := fmt.Sprintf("viaduct-livetest-%d", n)
	return &link{
		a:       &namespace{name + "a", v4(1), v6(1)},
		b:       &namespace{name + "b", v4(2), v6(2)},
		silent4: v4(3), silent6: v6(3),
		unreachable4: v4(4), unrch6: v6(4),
	}
}

// bare makes the namespaces and the link between them, without addresses.
func (l *link) bare(t *testing.T) {
	t.Helper()
	testutil.IP(t, "", "netns", "add", l.a.name)
	testutil.IP(t, "", "netns", "add", l.b.name)
	testutil.IP(t, "", "-n", l.a.name, "link", "add", "sip0", "type", "veth", "peer", "name", "sip0", "netns", l.b.name)
}

func (l *link) create(t *testing.T) {
	t.Helper()
	l.bare(t)
	for _, n := range []*namespace{l.a, l.b} {
		testutil.IP(t, fmt.Sprintf("link set lo up\nlink set sip0 up\naddr add %s/29 dev sip0\naddr add %s/64 dev sip0 nodad\n", n.v4, n.v6), "-n", n.name, "-batch", "-")
	}
	nobody := "lladdr 02:00:00:00:00:01 dev sip0"
	testutil.IP(t, fmt.Sprintf("neigh add %s %s\nneigh add %s %s\nroute add %s via %s\nroute add %s via %s\n",
		l.silent4, nobody, l.silent6, nobody, l.unreachable4, l.b.v4, l.unrch6, l.b.v6), "-n", l.a.name, "-batch", "-")
	testutil.IP(t, fmt.Sprintf("route add unreachable %s\nroute add unreachable %s\n", l.unreachable4, l.unrch6), "-n", l.b.name, "-batch", "-")
	l.b.set(t, "net/ipv4/ip_forward", "1")
	l.b.set(t, "net/ipv6/conf/all/forwarding", "1")
	l.a.set(t, "net/ipv4/tcp_syn_retries", "1") // a connect that nobody answers fails in 3 s
}

// remove takes away whatever of l is there. The veth pair goes with its ends.
func (l *link) remove() {
	for _, n := range []*namespace{l.a, l.b} {
		if _, err := os.Stat("/run/netns/" + n.name); err == nil {
			exec.Command("ip", "netns", "del", n.name).Run()
		}
	}
}

func (n *namespace) set(t *testing.T, sysctl, value string) {
	t.Helper()
	n.do(t, func() {
		if err := os.WriteFile("/proc/sys/"+sysctl, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	})
}

// do runs f, which must not start goroutines that make sockets, inside n.
func (n *namespace) do(t *testing.T, f func()) {
	t.Helper()
	if n == nil {
		f()
		return
	}
	testutil.InNamespace(t, n.name, f)
}

// addr is n's address of a family.
func (n *namespace) addr(ipv6 bool) netip.Addr {
	if ipv6 {
		return n.v6
	}
	return n.v4
}

func (n *namespace) has(a netip.Addr) bool { return a == n.v4 || a == n.v6 }
