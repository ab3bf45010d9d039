// SPDX-License-Identifier: Apache-2.0

package plaintext

import "fmt"

// Counters are the programs' own totals since they were loaded.
type Counters struct {
	RingFull   uint64 // records that found the ring full
	LostBytes  uint64 // plaintext that could not be handed on
	Unreadable uint64 // buffers of a process that could not be read
	Nested     uint64 // calls inside a call: what the outer one moved was not seen
	NoStorage  uint64 // threads for whose state there was no memory
	Calls      uint64 // calls that were looked at
}

// slots says which counter of the programs goes where.
func (c *Counters) slots() map[programsPlainCounter]*uint64 {
	return map[programsPlainCounter]*uint64{
		programsPlainCounterPLAIN_RING_FULL:  &c.RingFull,
		programsPlainCounterPLAIN_LOST_BYTES: &c.LostBytes,
		programsPlainCounterPLAIN_UNREADABLE: &c.Unreadable,
		programsPlainCounterPLAIN_NESTED:     &c.Nested,
		programsPlainCounterPLAIN_NO_STORAGE: &c.NoStorage,
		programsPlainCounterPLAIN_CALLS:      &c.Calls,
	}
}

// Counters reads the totals.
func (l *Probes) Counters() (Counters, error) {
	var c Counters
	for which, to := range c.slots() {
		var perCPU []uint64
		if err := l.objects.PlainCounters.Lookup(uint32(which), &perCPU); err != nil {
			return c, fmt.Errorf("read counter %d of the programs for TLS libraries: %w", which, err)
		}
		for _, n := range perCPU {
			*to += n
		}
	}
	return c, nil
}
