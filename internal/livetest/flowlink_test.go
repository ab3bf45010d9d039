// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/flow"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// newFlowLink makes two namespaces with the addresses of a flow, and keeps
// every link that has one of them from being made meanwhile: watchers see all
// namespaces and tell them by their addresses.
func newFlowLink(t *testing.T, s *flow.Section) *link {
	t.Helper()
	testutil.RequireRoot(t)
	local, remote := s.Addresses()
	var numbers []int
	for _, a := range slices.Concat(local, remote) {
		numbers = append(numbers, linkOf(t, a))
	}
	slices.Sort(numbers) // all take the locks in one order
	numbers = slices.Compact(numbers)
	for _, n := range numbers {
		waitForLink(t, n)
	}
	l := addressed(numbers[0])
	t.Cleanup(l.remove)
	l.remove()
	l.bare(t)
	l.a.give(t, local, remote)
	l.b.give(t, remote, local)
	return l
}

// linkOf is the number of the link whose network has an address.
func linkOf(t *testing.T, a netip.Addr) int {
	t.Helper()
	for n := range linksMax {
		l := addressed(n)
		bits := 29
		if a.Is6() {
			bits = 64
		}
		if netip.PrefixFrom(l.a.addr(a.Is6()), bits).Masked().Contains(a) {
			return n
		}
	}
	t.Fatalf("%s is in no documentation network", a)
	return 0
}

// waitForLink keeps link n for this test; another one may have it for a while.
func waitForLink(t *testing.T, n int) {
	t.Helper()
	lock, err := os.OpenFile(lockName(n), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	deadline := time.Now().Add(2 * time.Minute)
	for unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		if time.Now().After(deadline) {
			t.Fatalf("link %d is in use for too long", n)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// give adds the addresses that n has, and says that others are on its link.
func (n *namespace) give(t *testing.T, own, others []netip.Addr) {
	t.Helper()
	var batch strings.Builder
	batch.WriteString("link set lo up\nlink set sip0 up\n")
	for _, a := range own {
		batch.WriteString("addr add " + netip.PrefixFrom(a, a.BitLen()).String() + " dev sip0")
		if a.Is6() {
			batch.WriteString(" nodad")
		}
		batch.WriteString("\n")
	}
	for _, a := range others {
		batch.WriteString("route add " + a.String() + " dev sip0\n")
	}
	testutil.IP(t, batch.String(), "-n", n.name, "-batch", "-")
}
