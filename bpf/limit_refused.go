// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/internal/event"
)

// RefusedTo is what a row has refused, or would have, to one source for one
// reason since its tables were loaded. The kernel remembers some thousands of
// sources and forgets those that were refused longest ago; [Refusals] has all.
type RefusedTo struct {
	Row         uint32 // LimitRow.ID
	Address     netip.Addr
	Out         bool
	Enforce     bool
	TooFast     bool // too many a second, else at a time
	Count       uint64
	First, Last event.Time
}

// RefusedTo reads them, in no order.
func (l *Limiter) RefusedTo() ([]RefusedTo, error) { return refusedTo(&l.objects) }

func refusedTo(o *limitObjects) (all []RefusedTo, err error) {
	epoch := bootEpoch()
	err = each(o.LimitRefusedTo, func(k *limitLimitRefusalOf, v *limitLimitRefusal) {
		all = append(all, RefusedTo{
			Row: k.Who.Row, Address: netip.AddrFrom16(k.Who.Address).Unmap(),
			Out:     limitLimitDirection(k.Who.Direction) == limitLimitDirectionLIMIT_OUT,
			Enforce: k.Enforce != 0, TooFast: limitLimitVerdict(k.Verdict) == limitLimitVerdictLIMIT_TOO_FAST,
			Count: v.Count, First: epoch + event.Time(v.FirstNs), Last: epoch + event.Time(v.LastNs),
		})
	})
	return all, err
}

// Refused are the refusals of one set of tables. What the sources sum up to is
// never less than what the rows have, but for sources that were forgotten.
type Refused struct {
	Rows    []Refusals // in the order of [LimitTables]
	Sources []RefusedTo
}

// Refused reads both. Rows are there also with an error.
func (l *Limiter) Refused() (Refused, error) { return refused(&l.objects) }

func refused(o *limitObjects) (r Refused, err error) {
	if r.Rows, err = refusals(o); err != nil {
		return r, err
	}
	r.Sources, err = refusedTo(o)
	return r, err
}
