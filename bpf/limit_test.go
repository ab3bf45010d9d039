// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"math"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf/btf"
)

func TestLimitRowValues(t *testing.T) {
	for _, c := range []struct {
		row  LimitRow
		want limitLimitRow
	}{
		{LimitRow{ID: 7, MaxConnections: 3}, limitLimitRow{Id: 7, MaxConnections: 3}},
		{LimitRow{PerSecond: 5, Burst: 20, Enforce: true}, limitLimitRow{IntervalNs: 2e8, ToleranceNs: 19 * 2e8, Enforce: 1}},
		{LimitRow{PerSecond: 0.5, Burst: 1}, limitLimitRow{IntervalNs: 2e9}},
		{LimitRow{PerSecond: 1e6}, limitLimitRow{IntervalNs: 1000}},
		{LimitRow{PerSecond: 1e12, Burst: 1}, limitLimitRow{IntervalNs: 1}},
		{LimitRow{PerSecond: math.SmallestNonzeroFloat64, Burst: 1e6}, limitLimitRow{IntervalNs: farNs, ToleranceNs: farNs}},
	} {
		if got := c.row.value(); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.row, got, c.want)
		}
	}
}

func TestLimitPrefixKeys(t *testing.T) {
	for _, c := range []struct {
		prefix, address string
		length          uint32
	}{
		{"192.0.2.77/24", "::ffff:192.0.2.0", 120},
		{"0.0.0.0/0", "::ffff:0.0.0.0", 96},
		{"2001:db8::1/128", "2001:db8::1", 128},
		{"::/0", "::", 0},
	} {
		got := LimitPrefix{Prefix: netip.MustParsePrefix(c.prefix)}.key()
		if netip.AddrFrom16(got.Address) != netip.MustParseAddr(c.address) || got.Length != c.length {
			t.Errorf("%s: %v/%d", c.prefix, netip.AddrFrom16(got.Address), got.Length)
		}
	}
}

func TestLimitObjects(t *testing.T) {
	for _, arch := range []string{"x86", "arm64"} {
		spec := loadObject(t, fmt.Sprintf("limit_%s_bpfel.o", arch))
		for _, program := range []string{"limit_packet_in", "limit_connect_v4", "limit_connect_v6", "limit_tcp_state", "limit_tcp_state_again", "limit_scan_files", "limit_mark_counts", "limit_see_sockets", "limit_settle_counts"} {
			if spec.Programs[program] == nil {
				t.Errorf("%s: program %s is missing", arch, program)
			}
		}
		var counters *btf.Enum
		if err := spec.Types.TypeByName("limit_counter", &counters); err != nil {
			t.Fatal(err)
		}
		for _, v := range counters.Values {
			if _, known := new(LimitCounters).slots()[limitLimitCounter(v.Value)]; !known && v.Name != "LIMIT_COUNTERS" {
				t.Errorf("%s: %s is unknown in Go", arch, v.Name)
			}
		}
	}
}
