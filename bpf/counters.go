// SPDX-License-Identifier: Apache-2.0

package bpf

import "fmt"

// Counters are the programs' own totals since they were loaded. The first
// group are losses.
type Counters struct {
	RingFullLife   uint64 // life-cycle records that found the ring full
	RingFullData   uint64 // payload records that found the ring full
	LostBytes      uint64 // payload bytes of these
	TruncatedBytes uint64 // payload bytes past the largest packet that is copied
	Unreadable     uint64 // packets whose headers or payload could not be read
	NoStorage      uint64 // sockets for whose state there was no memory

	OutOfWindow   uint64 // segments that TCP would not accept
	Retransmitted uint64 // segments seen before
	Swallowed     uint64 // answers to viaduct that were kept from the program it asked for
}

// slots says which counter of the programs goes where.
func (c *Counters) slots() map[programsCounter]*uint64 {
	return map[programsCounter]*uint64{
		programsCounterCOUNT_RING_FULL_LIFE:  &c.RingFullLife,
		programsCounterCOUNT_RING_FULL_DATA:  &c.RingFullData,
		programsCounterCOUNT_LOST_BYTES:      &c.LostBytes,
		programsCounterCOUNT_TRUNCATED_BYTES: &c.TruncatedBytes,
		programsCounterCOUNT_UNREADABLE:      &c.Unreadable,
		programsCounterCOUNT_NO_STORAGE:      &c.NoStorage,
		programsCounterCOUNT_OUT_OF_WINDOW:   &c.OutOfWindow,
		programsCounterCOUNT_RETRANSMITTED:   &c.Retransmitted,
		programsCounterCOUNT_SWALLOWED:       &c.Swallowed,
	}
}

// Counters reads the totals.
func (p *Probes) Counters() (Counters, error) {
	var c Counters
	for which, to := range c.slots() {
		var perCPU []uint64
		if err := p.objects.Counters.Lookup(uint32(which), &perCPU); err != nil {
			return c, fmt.Errorf("read counter %d of the programs: %w", which, err)
		}
		for _, n := range perCPU {
			*to += n
		}
	}
	return c, nil
}
