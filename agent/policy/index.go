// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// index finds the rows whose address fits: ten thousand CIDRs are looked up by
// their bits, not one after the other.
type index struct {
	table bart.Table[[]int32] // rows by CIDR
	any   []int32             // rows without one

	sentBy bool // a row asks for it
}

// Compile makes the policy ready for Of.
func (p *Policy) Compile() {
	p.index = new(index)
	for i := range p.Peers {
		p.index.sentBy = p.index.sentBy || len(p.Peers[i].Match.SentBy) > 0
	}
	for i := range p.Peers {
		row := int32(i)
		if len(p.Peers[i].Match.CIDRs) == 0 {
			p.index.any = append(p.index.any, row)
		}
		for _, cidr := range p.Peers[i].Match.CIDRs {
			p.index.table.Modify(cidr.Masked(), func(rows []int32, _ bool) ([]int32, bool) { return append(rows, row), false })
		}
	}
}

// AsksForSentBy says whether any row is matched by the sent-by name.
func (p *Policy) AsksForSentBy() bool { return p.index.sentBy }

// candidates are the rows whose address fits, in order.
func (x *index) candidates(a netip.Addr) []int32 {
	a = a.Unmap().WithZone("")
	rows := x.any
	if a.IsValid() {
		for _, more := range x.table.Supernets(netip.PrefixFrom(a, a.BitLen())) {
			rows = append(rows[:len(rows):len(rows)], more...)
		}
	}
	if len(rows) > len(x.any) {
		slices.Sort(rows)
	}
	return rows
}
