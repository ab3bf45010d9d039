// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// anyPort is for a listener on all addresses, which leaves no room for others.
const anyPort = 15077

// limitLoopback limits, or only counts, what comes from an address.
func limitLoopback(t *testing.T, address string, row LimitRow) *Limiter {
	t.Helper()
	testutil.RequireRoot(t)
	l, err := LoadLimiter("", &LimitTables{
		Rows: []LimitRow{row}, Ports: map[uint16]uint8{5060: 1, anyPort: 1},
		Prefixes: []LimitPrefix{{netip.MustParsePrefix(address + "/32"), 0}},
		Lines:    [][]LimitChoice{{{In: 0, Out: NoRow}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), l.Close()); err != nil { // twice is safe
			t.Error(err)
		}
	})
	return l
}

// Whatever has made a number wrong, the recount makes it right.
func TestLimitRecount(t *testing.T) {
	const address = "127.66.2.1"
	l := limitLoopback(t, address, LimitRow{ID: 9, MaxConnections: 100})
	for range 3 {
		connect(t, address, 5060)
	}
	who := limitLimitWho{Address: netip.MustParseAddr(address).As16(), Row: 9}
	stranger := limitLimitWho{Address: netip.MustParseAddr("127.66.2.99").As16(), Row: 9}
	counts := l.objects.LimitCounts
	for _, c := range []struct {
		name      string
		harm      func() error
		corrected uint64 // so far
	}{
		{"nothing", func() error { return nil }, 0},
		{"too many", func() error { return counts.Put(who, limitLimitCount{Open: 77}) }, 1},
		{"too few", func() error { return counts.Put(who, limitLimitCount{Open: 1, Changes: 12}) }, 2},
		{"none at all", func() error { return counts.Delete(who) }, 3},
		{"of nobody", func() error { return counts.Put(stranger, limitLimitCount{Open: 1}) }, 4},
	} {
		if err := errors.Join(c.harm(), l.Recount()); err != nil {
			t.Fatal(err)
		}
		found := make(map[netip.Addr]uint64)
		if err := l.Sources(func(s LimitedSource) { found[s.Address] = s.Open }); err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 || found[netip.MustParseAddr(address)] != 3 {
			t.Errorf("%s: %v, want 3 of %s", c.name, found, address)
		}
		if got, err := l.Counters(); err != nil || got != (LimitCounters{Corrected: c.corrected}) {
			t.Errorf("%s: %+v, %v, want %d corrected", c.name, got, err, c.corrected)
		}
	}
}

// A full table of sources lets further ones through, and says so.
func TestLimitTableFull(t *testing.T) {
	const address = "127.66.2.2"
	l := limitLoopback(t, address, LimitRow{MaxConnections: 1, Enforce: true})
	var keys []limitLimitWho
	var values []limitLimitCount
	for i := range LimitSources {
		keys = append(keys, limitLimitWho{Row: 7, Address: [16]uint8{byte(i), byte(i >> 8), 1}})
		values = append(values, limitLimitCount{Open: 1})
	}
	if _, err := l.objects.LimitCounts.BatchUpdate(keys, values, &ebpf.BatchOptions{}); err != nil {
		t.Fatal(err)
	}
	connect(t, address, 5060)
	connect(t, address, 5060)
	if got, err := l.Counters(); err != nil || got != (LimitCounters{NoRoom: 2}) {
		t.Errorf("%+v, %v", got, err)
	}
	if r, err := l.Refusals(); err != nil || r[0] != (Refusals{}) {
		t.Errorf("%+v, %v", r, err)
	}
	// The invented ones go, and both sockets get their place.
	if err := l.Recount(); err != nil {
		t.Fatal(err)
	}
	if err := l.Recount(); err != nil {
		t.Fatal(err)
	}
	if e, err := l.Entries(); err != nil || e.Sources != 1 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestLimitHooks(t *testing.T) {
	l := limitLoopback(t, "127.66.2.3", LimitRow{MaxConnections: 1})
	for _, detached := range []bool{false, true} {
		if detached { // as somebody with bpftool could
			for _, h := range l.hooks {
				if err := h.Detach(); err != nil {
					t.Fatal(err)
				}
			}
		}
		hooks, err := l.Hooks()
		if err != nil || len(hooks) != 5 {
			t.Fatal(hooks, err)
		}
		for _, h := range hooks {
			if want := !detached || strings.HasPrefix(h.Program, "limit_tcp_state"); h.Attached != want {
				t.Errorf("%s: attached %v, want %v", h.Program, h.Attached, want)
			}
		}
	}
}

// A handshake is forgotten when it is complete: on a socket of IPv6 that takes
// IPv4, too, where addresses have another form.
func TestLimitHalfOpenEnds(t *testing.T) {
	const address = "127.66.2.4"
	l := limitLoopback(t, address, LimitRow{PerSecond: 1, Burst: 2, MaxConnections: 5, Enforce: true})
	for _, listening := range []*net.TCPAddr{{IP: net.ParseIP(address), Port: 5060}, {IP: net.IPv6unspecified, Port: anyPort}} {
		listener, err := net.ListenTCP("tcp", listening)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		client, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP(address)}, &net.TCPAddr{IP: net.ParseIP(address), Port: listening.Port})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
	}
	// The last ACK may be under way when connect() returns.
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		e, err := l.Entries()
		if err != nil {
			t.Fatal(err)
		}
		if e == (LimitEntries{Buckets: 1, Sources: 1}) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, want one bucket and one source, and nothing half open", e)
		}
	}
	if err := l.Sources(func(s LimitedSource) {
		if s != (LimitedSource{Address: netip.MustParseAddr(address), Open: 2}) {
			t.Errorf("%+v, want 2 connections of %s", s, address)
		}
	}); err != nil {
		t.Error(err)
	}
}
