// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/live"
)

// leakClosedKept bounds the history of closed connections here.
const leakClosedKept = 1000

// TestLeak opens and closes 50,000 connections in every way that leaves
// something in a table for a moment. When they are gone, so is all that was
// kept for them, but for the history that is bounded on purpose.
func TestLeak(t *testing.T) {
	l := newLink(t)
	none := func(*report.Connection) bool { return false }
	w := openWatch(t, live.Options{Probes: bpf.Options{RingBytes: 32 << 20}, Core: agent.Config{MaxClosed: leakClosedKept}}, none)
	w.run()
	began := w.tables()
	flood(t, l.a)

	// Others' connections are in these tables, too; theirs take their time to go.
	within(t, 3*patience, func() string {
		var wrongs []string
		for name, n := range w.tables() {
			switch {
			case name == "Peers": // history: one for each address, bounded
			case name == "Closed" && n != leakClosedKept:
				wrongs = append(wrongs, fmt.Sprintf("%d closed connections kept, want %d", n, leakClosedKept))
			case name != "Closed" && n > began[name]:
				wrongs = append(wrongs, fmt.Sprintf("%s: %d entries, %d at the start", name, n, began[name]))
			}
		}
		return strings.Join(wrongs, "; ")
	})
	m := w.Metrics()
	closed := uint64(0)
	for side := event.Local; side <= event.Remote; side++ {
		if opened := m.Opened[event.TCP][side]; opened < floodConnections {
			t.Errorf("%d connections seen that were opened by side %d, want %d", opened, side, floodConnections)
		}
		for _, how := range []event.How{event.FIN, event.RST} {
			closed += m.Closed[event.TCP][side][how]
		}
	}
	if closed < 2*floodConnections {
		t.Errorf("%d closes seen, want %d", closed, 2*floodConnections)
	}
	if least := uint64(2*floodConnections - leakClosedKept); m.Evicted.Closed < least {
		t.Errorf("%d dropped from history, want at least %d", m.Evicted.Closed, least)
	}
	if flows := m.Opened[event.UDP][event.Local]; flows < floodFlows {
		t.Errorf("%d flows seen, want %d", flows, floodFlows)
	}
	if c := w.counters(); m.Missed != 0 || c.RingFullLife != 0 || c.NoStorage != 0 {
		t.Errorf("%d closes missed, counters %+v", m.Missed, c)
	}
	w.stop()
	if left := w.sockets(l.a.cookie(t)); left != 0 {
		t.Errorf("the programs still hold the state of %d sockets", left)
	}
}

// tables returns how many entries each table has, those of the core by their
// own names.
func (w *watch) tables() map[string]int {
	w.t.Helper()
	early, err := w.Probes().Early()
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]int{"early bytes in the kernel": early}
	sizes := reflect.ValueOf(w.Metrics().Sizes)
	for i := range sizes.NumField() {
		all[sizes.Type().Field(i).Name] = int(sizes.Field(i).Int())
	}
	return all
}

// sockets counts those SIP sockets of a namespace that the programs know. Run
// must have ended.
func (w *watch) sockets(netns uint64) (n int) {
	w.t.Helper()
	if err := w.Probes().Scan(func(e *event.Event) {
		if e.NetNS == netns {
			n++
		}
	}); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// cookie is what the kernel knows n by.
func (n *namespace) cookie(t *testing.T) (cookie uint64) {
	t.Helper()
	n.do(t, func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if cookie, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err != nil {
			t.Fatal(err)
		}
	})
	return cookie
}
