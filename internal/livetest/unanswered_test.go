// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// TestProbesUnanswered: the kernel's keep-alives of a connection whose peer is
// silent are counted, until it is heard again.
func TestProbesUnanswered(t *testing.T) {
	l := newLink(t)
	server := l.b.listen(t, at(l.b.v4, 5060))
	client := l.a.dial(t, netip.AddrPort{}, at(l.b.v4, 5060))
	accept(t, server)
	if err := client.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 100}); err != nil {
		t.Fatal(err)
	}
	probes, err := bpf.Load(bpf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer probes.Close()
	unanswered := func() (n int) {
		n = -1
		if err := probes.Scan(func(e *event.Event) {
			if e.Kind == event.Figures && e.Local == addrOf(client.LocalAddr()) {
				n = int(e.Counts.Probes)
			}
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	wants := func(ok func(int) bool) {
		t.Helper()
		until(t, func() string {
			if n := unanswered(); !ok(n) {
				return fmt.Sprintf("%d unanswered probes", n)
			}
			return ""
		})
	}
	testutil.IP(t, "", "-n", l.b.name, "route", "add", "blackhole", l.a.v4.String())
	wants(func(n int) bool { return n >= 2 })
	testutil.IP(t, "", "-n", l.b.name, "route", "del", "blackhole", l.a.v4.String())
	wants(func(n int) bool { return n == 0 })
}
