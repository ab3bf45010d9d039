// SPDX-License-Identifier: Apache-2.0

package bpf

import "net/netip"

// LimitTables are the limits of a policy as the programs look them up: from the
// remote address to a line, and in the line by the class of the service port
// and the direction to a row.
type LimitTables struct {
	Rows     []LimitRow
	Prefixes []LimitPrefix    // distinct; an address belongs to the longest that holds it
	Ports    map[uint16]uint8 // class of a port, from 1; ports without one are not limited
	Lines    [][]LimitChoice  // all as long as there are classes
}

// LimitRow is a row that limits. Zero means no such limit.
type LimitRow struct {
	ID             uint32  // names the row's sources; the same in the next policy for the same row
	PerSecond      float64 // new connections of one source
	Burst          int     // how many of them at once; at least 1 with PerSecond
	MaxConnections int     // of one source at a time
	Enforce        bool    // else refusals are counted only
}

// LimitPrefix says which line an address has. IPv4 is in its own form.
type LimitPrefix struct {
	Prefix netip.Prefix
	Line   int
}

// LimitChoice holds, for a class of port, the index of the row that limits a
// direction, or NoRow.
type LimitChoice struct{ In, Out int }

// NoRow in a [LimitChoice]: nothing is limited.
const NoRow = -1

// key is the prefix among mapped addresses, where IPv4 is a /96.
func (p LimitPrefix) key() limitLimitPrefix {
	bits := p.Prefix.Bits()
	if p.Prefix.Addr().Is4() {
		bits += 96
	}
	return limitLimitPrefix{Length: uint32(bits), Address: p.Prefix.Masked().Addr().As16()}
}

// farNs is 36 years: sums of a few of it, and the time since boot, fit 64 bits.
const farNs = 1 << 60

func (r LimitRow) value() limitLimitRow {
	v := limitLimitRow{Id: r.ID, MaxConnections: uint32(r.MaxConnections)}
	if r.Enforce {
		v.Enforce = 1
	}
	if r.PerSecond > 0 {
		interval := 1e9 / r.PerSecond
		v.IntervalNs = uint64(max(1, min(interval, farNs)))
		v.ToleranceNs = uint64(min(interval*float64(max(1, r.Burst)-1), farNs))
	}
	return v
}

// choices puts the lines one after the other; a place is an index from 1.
func (t *LimitTables) choices() []uint32 {
	var all []uint32
	for _, line := range t.Lines {
		for _, c := range line {
			all = append(all, uint32(c.In+1), uint32(c.Out+1))
		}
	}
	return all
}

// width is the number of places in a line.
func (t *LimitTables) width() int {
	if len(t.Lines) == 0 {
		return 0
	}
	return len(t.Lines[0]) * int(limitLimitDirectionLIMIT_DIRECTIONS)
}
