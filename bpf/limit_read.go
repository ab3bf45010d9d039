// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Refusals of a row since its tables were loaded: connections that were
// refused, or that would have been, each once however often it tried.
type Refusals struct{ In, Out uint64 }

// Refusals reads those of all rows, in the order of [LimitTables].
func (l *Limiter) Refusals() ([]Refusals, error) { return refusals(&l.objects) }

// refusals returns a slice for every row, also with an error.
func refusals(o *limitObjects) ([]Refusals, error) {
	const directions = int(limitLimitDirectionLIMIT_DIRECTIONS)
	all := make([]Refusals, int(o.LimitRefusals.MaxEntries())/directions)
	for i := range all {
		for direction, to := range map[limitLimitDirection]*uint64{
			limitLimitDirectionLIMIT_IN: &all[i].In, limitLimitDirectionLIMIT_OUT: &all[i].Out,
		} {
			if err := sumPerCPU(o.LimitRefusals, uint32(i*directions)+uint32(direction), to); err != nil {
				return all, fmt.Errorf("read the refusals of row %d: %w", i, err)
			}
		}
	}
	return all, nil
}

func sumPerCPU(m *ebpf.Map, key uint32, to *uint64) error {
	var perCPU []uint64
	if err := m.Lookup(key, &perCPU); err != nil {
		return err
	}
	for _, n := range perCPU {
		*to += n
	}
	return nil
}

// LimitCounters are the limiter's own totals since [LoadLimiter]. All but
// Corrected are connections that were not limited as they should have been.
type LimitCounters struct {
	NoRoom     uint64 // the table of sources with open connections was full
	NoStorage  uint64 // no memory for a socket's state
	NoBucket   uint64 // no memory for a source's bucket
	Unreadable uint64 // packets to a listener whose headers could not be read
	Sideless   uint64 // older than the limiter, and either end may have called
	Corrected  uint64 // sources whose number of connections a recount put right
}

func (c *LimitCounters) slots() map[limitLimitCounter]*uint64 {
	return map[limitLimitCounter]*uint64{
		limitLimitCounterLIMIT_COUNT_NO_ROOM:    &c.NoRoom,
		limitLimitCounterLIMIT_COUNT_NO_STORAGE: &c.NoStorage,
		limitLimitCounterLIMIT_COUNT_NO_BUCKET:  &c.NoBucket,
		limitLimitCounterLIMIT_COUNT_UNREADABLE: &c.Unreadable,
		limitLimitCounterLIMIT_COUNT_SIDELESS:   &c.Sideless,
		limitLimitCounterLIMIT_COUNT_CORRECTED:  &c.Corrected,
	}
}

// Counters reads the totals.
func (l *Limiter) Counters() (LimitCounters, error) {
	var c LimitCounters
	for which, to := range c.slots() {
		if err := sumPerCPU(l.objects.LimitCounters, uint32(which), to); err != nil {
			return c, fmt.Errorf("read counter %d of the limiter: %w", which, err)
		}
	}
	return c, nil
}

// Recount takes up connections that are older than the limiter, finds those
// whose end was missed, and moves those that have another row since
// [Limiter.Replace]. A source that opens or closes one at that moment is left to
// the next recount.
func (l *Limiter) Recount() error {
	o := &l.objects
	for _, pass := range []struct {
		what    string
		options link.IterOptions
	}{
		{"the files of all processes", link.IterOptions{Program: o.LimitScanFiles}},
		{"the numbers of connections", link.IterOptions{Program: o.LimitMarkCounts, Map: o.LimitCounts}},
		{"the limited sockets", link.IterOptions{Program: o.LimitSeeSockets, Map: o.LimitSockets}},
		{"the numbers of connections again", link.IterOptions{Program: o.LimitSettleCounts, Map: o.LimitCounts}},
	} {
		if err := runPass(pass.options); err != nil {
			return fmt.Errorf("recount: walk through %s: %w", pass.what, err)
		}
	}
	return nil
}

// runPass runs an iterator that writes nothing to its end.
func runPass(options link.IterOptions) error {
	l, err := link.AttachIter(options)
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := l.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	// EAGAIN: a million were walked through in one call.
	for err = unix.EAGAIN; errors.Is(err, unix.EAGAIN); {
		_, err = io.Copy(io.Discard, r)
	}
	return err
}

// waitForRunning returns when every program that was running has ended: it is
// a grace period of RCU. Where the kernel refuses it, on isolated CPUs, a count
// of that moment may be missed.
func waitForRunning() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0)
}

// LimitEntries is how full the limiter's tables are; each has room for
// LimitSources. Buckets and HalfOpens stay full once they were: the oldest go.
type LimitEntries struct{ Buckets, HalfOpens, Sources int }

// LimitSources bounds each of the limiter's tables.
const LimitSources = 1 << 16

// Entries counts them, which takes some milliseconds.
func (l *Limiter) Entries() (LimitEntries, error) {
	o := &l.objects
	var e LimitEntries
	return e, errors.Join(
		each(o.LimitBuckets, func(*limitLimitWho, *uint64) { e.Buckets++ }),
		each(o.LimitHalfOpens, func(*limitEnds, *limitLimitHalfOpen) { e.HalfOpens++ }),
		each(o.LimitCounts, func(*limitLimitWho, *limitLimitCount) { e.Sources++ }),
	)
}

// each walks through a hash map in steps of many entries. What changes
// meanwhile may be missed or seen twice.
func each[K, V any](m *ebpf.Map, f func(*K, *V)) error {
	const step = 4096 // more than any bucket of the table holds
	keys, values := make([]K, step), make([]V, step)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			f(&keys[i], &values[i])
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("read %v: %w", m, err)
		}
	}
}

// LimitedSource is a remote address with open connections within a row.
type LimitedSource struct {
	Row     uint32 // LimitRow.ID
	Address netip.Addr
	Out     bool
	Open    uint64
}

// Sources calls f with each, in no order. Some may have none open any more.
func (l *Limiter) Sources(f func(LimitedSource)) error {
	return each(l.objects.LimitCounts, func(who *limitLimitWho, c *limitLimitCount) {
		f(LimitedSource{
			Row: who.Row, Address: netip.AddrFrom16(who.Address).Unmap(),
			Out: limitLimitDirection(who.Direction) == limitLimitDirectionLIMIT_OUT, Open: c.Open,
		})
	})
}
