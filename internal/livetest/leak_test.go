// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/transaction"
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
	// On a port and in a cgroup of its own, so that the tables hold nothing else.
	cgroup, inside := ownCgroup(t)
	w := openWatch(t, live.Options{
		Probes: bpf.Options{RingBytes: 32 << 20, Ports: []uint16{floodPort}, Cgroup: cgroup},
		Core:   agent.Config{MaxClosed: leakClosedKept},
	}, none)
	w.run()
	began := w.tables()
	inside(func() { flood(t, l.a) })

	// A request that nobody answers is waited for, its connection gone or not.
	untilWithin(t, patience+transaction.Timeout, func() string {
		var wrongs []string
		for name, n := range w.tables() {
			switch {
			case name == "Peers" || name == "Findings": // history: bounded
			case name == "Closed" && n != leakClosedKept:
				wrongs = append(wrongs, fmt.Sprintf("%d closed connections kept, want %d", n, leakClosedKept))
			case name != "Closed" && n != began[name]:
				wrongs = append(wrongs, fmt.Sprintf("%s: %d entries, %d at the start", name, n, began[name]))
			}
		}
		return strings.Join(wrongs, "; ")
	})
	m, c := w.Metrics(), w.counters()
	// For a moment the kernel may have no memory for the state of a socket,
	// which is counted, and its opening is not seen.
	counted := func(what string, seen, want uint64) {
		if seen > want || seen+c.NoStorage < want {
			t.Errorf("%d %s seen, want %d; counters %+v", seen, what, want, c)
		}
	}
	closed := uint64(0)
	for side := event.Local; side <= event.Remote; side++ {
		counted("connections opened by side "+strconv.Itoa(int(side)), m.Peers[0].Opened[event.TCP][side], floodConnections)
		for _, how := range []event.How{event.FIN, event.RST} {
			closed += m.Peers[0].Closed[event.TCP][side][how]
		}
	}
	counted("closes", closed, 2*floodConnections)
	counted("flows", m.Peers[0].Opened[event.UDP][event.Local], floodFlows)
	if m.Missed != 0 || c.RingFullLife != 0 || c.NoStorage > floodConnections/1000 {
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
