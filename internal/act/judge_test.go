// SPDX-License-Identifier: Apache-2.0

package act

import (
	"net/netip"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

func TestJudge(t *testing.T) {
	local, remote := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("[fe80::1]:40000")
	target := Target{Socket: 7, Local: local, Remote: netip.MustParseAddrPort("[fe80::1%eth0]:40000")}
	fine := reach.Look{Local: local, Remote: remote, State: stateEstablished}
	with := func(change func(*reach.Look)) reach.Look {
		l := fine
		change(&l)
		return l
	}
	inState := func(state uint8) reach.Look { return with(func(l *reach.Look) { l.State = state }) }
	for _, tt := range []struct {
		name         string
		look         reach.Look
		gentle, hard Reason // "": go ahead
	}{
		{"idle", fine, "", ""},
		{"IPv4-mapped", with(func(l *reach.Look) { l.Local = netip.MustParseAddrPort("[::ffff:192.0.2.1]:5060") }), "", ""},
		{"other local address", with(func(l *reach.Look) { l.Local = netip.MustParseAddrPort("192.0.2.2:5060") }), NotOurs, NotOurs},
		{"other remote port", with(func(l *reach.Look) { l.Remote = netip.MustParseAddrPort("[fe80::1]:40001") }), NotOurs, NotOurs},
		{"unread", with(func(l *reach.Look) { l.Unread = 1 }), Busy, Busy},
		{"queued", with(func(l *reach.Look) { l.Queued = 1 }), Busy, ""},
		{"SYN_SENT", inState(2), Changed, Changed},
		{"FIN_WAIT1", inState(stateFinWait1), Changed, ""},
		{"FIN_WAIT2", inState(stateFinWait2), Changed, ""},
		{"TIME_WAIT", inState(6), Changed, Changed},
		{"CLOSE", reach.Look{State: stateClose}, Changed, Changed},
		{"CLOSE_WAIT", inState(stateCloseWait), Changed, ""},
		{"LAST_ACK", inState(9), Changed, Changed},
		{"LISTEN", inState(10), Changed, Changed},
		{"unheard of", inState(99), Changed, Changed},
	} {
		for m, want := range map[Means]Reason{Shutdown: tt.gentle, SockDestroy: tt.hard, SockDiag: tt.hard} {
			got := judge(target, m, tt.look)
			if got.Reason != want || (want == "") != (got.Result == 0) {
				t.Errorf("%s, by %s: %v, want %q", tt.name, m, got, want)
			}
		}
	}
}

func TestOptionsInTheKernelsUnits(t *testing.T) {
	o := Options{KeepaliveIdle: 30 * time.Second, Interval: 1500 * time.Millisecond, Probes: 3, UserTimeout: 1500 * time.Microsecond}
	if got, want := o.kernel(), (reach.Options{Keepalive: true, Idle: 30, Interval: 2, Probes: 3, UserTimeout: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestDiffers(t *testing.T) {
	want := Options{KeepaliveIdle: 30 * time.Second, Probes: 3}.kernel()
	for _, tt := range []struct {
		have reach.Options
		said string
	}{
		{reach.Options{Keepalive: true, Idle: 30, Interval: 75, Probes: 3, UserTimeout: 9}, ""}, // nobody asked for the rest
		{reach.Options{Idle: 30, Probes: 3}, "SO_KEEPALIVE is off"},
		{reach.Options{Keepalive: true, Idle: 7200, Probes: 9}, "TCP_KEEPIDLE is 7200, not 30, TCP_KEEPCNT is 9, not 3"},
	} {
		if got := differs(want, tt.have); got != tt.said {
			t.Errorf("%+v: %q, want %q", tt.have, got, tt.said)
		}
	}
}
