// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/testutil"
	"github.com/viaduct-project/viaduct/internal/testutil/release"
)

// patience bounds waits for what should come at once on an idle machine.
const patience = 30 * time.Second

// lab is one case: two network namespaces with a link between them.
type lab struct {
	*testing.T
	a, b     side
	programs map[netip.Addr][]string // by the side they run on
	server   *program                // Kamailio, if there is one
	proxy    string                  // its program, if that is another than kamailio
	release  *release.Release        // which it is of, if not of this host's
	end      time.Time
}

// side is one of them, with an address that no other case of the run has.
type side struct {
	netns string
	addr  netip.Addr
}

var labs atomic.Int32

func newLab(t *testing.T) *lab {
	t.Helper()
	t.Parallel()
	n := int(labs.Add(1)) - 1
	if n >= 64+48 {
		t.Fatal("more cases than networks")
	}
	sideOf := func(host int) side {
		addr := netip.AddrFrom4([4]byte{203, 0, 113, byte(4*n + host)})
		if n >= 64 { // the rest of that network is the policy's
			addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(4*(n-64) + host)})
		}
		return side{fmt.Sprintf("viaduct-interop-%d%c", n, 'a'-1+host), addr}
	}
	l := &lab{T: t, a: sideOf(1), b: sideOf(2), programs: make(map[netip.Addr][]string)}
	l.build(30)
	return l
}

// build makes the namespaces and the link, whose network has so many bits.
func (l *lab) build(bits int) {
	l.Helper()
	t := l.T
	l.remove()
	l.Cleanup(l.remove)
	testutil.IP(t, "", "netns", "add", l.a.netns)
	testutil.IP(t, "", "netns", "add", l.b.netns)
	testutil.IP(t, "", "-n", l.a.netns, "link", "add", "sip0", "type", "veth", "peer", "name", "sip0", "netns", l.b.netns)
	for _, s := range []side{l.a, l.b} {
		// A default route, since some programs ask for one to find their address.
		testutil.IP(t, fmt.Sprintf("link set lo up\nlink set sip0 up\naddr add %s/%d dev sip0\nroute add default dev sip0\n", s.addr, bits), "-n", s.netns, "-batch", "-")
	}
}

func (l *lab) remove() {
	for _, s := range []side{l.a, l.b} {
		if _, err := os.Stat("/run/netns/" + s.netns); err == nil {
			exec.Command("ip", "netns", "del", s.netns).Run()
		}
	}
}

// proves states that a fact of the page was seen to be so, or fails the test.
func (l *lab) proves(fact string, so bool, format string, args ...any) {
	l.Helper()
	l.Logf("%s: "+format, append([]any{fact}, args...)...)
	if !so {
		l.Errorf("%s is not what the page says: "+format, append([]any{fact}, args...)...)
		return
	}
	proven.Lock()
	defer proven.Unlock()
	proven.facts = append(proven.facts, fact)
}

// report is viaduct's of now, with the connections of this case only.
func (l *lab) report() *report.Report {
	return report.Only(watched.Report(), func(c *report.Connection) bool {
		local, err := netip.ParseAddrPort(c.Local)
		return err == nil && (local.Addr() == l.a.addr || local.Addr() == l.b.addr)
	})
}

// until waits for a condition, which says what is still wrong with it.
func (l *lab) until(wait time.Duration, condition func() (wrong string)) {
	l.Helper()
	deadline := time.Now().Add(wait)
	for {
		wrong := condition()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("after %v still: %s", wait, wrong)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// in runs f, which must not start goroutines that make sockets, in s's
// namespace.
func (s side) in(t *testing.T, f func()) {
	t.Helper()
	testutil.InNamespace(t, s.netns, f)
}

// far is the first connection that viaduct reports of a socket's owner.
func (l *lab) far(local netip.AddrPort) *report.Connection {
	r := l.report()
	for i := range r.Connections {
		if r.Connections[i].Local == local.String() {
			return &r.Connections[i]
		}
	}
	return nil
}
