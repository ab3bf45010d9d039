// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Refused is what a row has refused to one address, or in a dry run would have,
// since it was told before.
type Refused struct {
	Peer        string
	Address     netip.Addr // who called, or was called; invalid: addresses that there was no room to remember
	Out         bool       // this host called
	Mode        policy.Mode
	Reason      string // which limit of the row; empty without an address
	Count       uint64 // connections
	First, Last event.Time
}

// maxUntold bounds what waits for [Limiter.Refused] while policies change.
const maxUntold = 1 << 14

// ledger is what was told of the refusals of the loaded tables.
type ledger struct {
	sources map[source]uint64 // told
	named   map[direction]uint64
	unnamed map[direction]uint64
}

// source is what tells lines of the kernel's table apart.
type source struct {
	row          uint32
	address      netip.Addr
	out, tooFast bool
}

type direction struct {
	place int
	out   bool
}

func newLedger() ledger {
	return ledger{make(map[source]uint64), make(map[direction]uint64), make(map[direction]uint64)}
}

// Refused returns what was refused since the last call, in no order.
func (l *Limiter) Refused() ([]Refused, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded != nil {
		now, err := l.loaded.Refused()
		if err != nil {
			return nil, err
		}
		l.tell(now)
	}
	all := l.untold
	l.untold = nil
	return all, nil
}

// tell finds out what is new in now, which is of the loaded tables.
func (l *Limiter) tell(now bpf.Refused) {
	seen := make(map[source]uint64, len(now.Sources))
	places := make(map[uint32]int, len(l.limits))
	for place, row := range l.limits {
		places[row.ID] = place
	}
	for _, s := range now.Sources {
		of := source{s.Row, s.Address, s.Out, s.TooFast}
		seen[of] = s.Count
		n := s.Count
		if told := l.ledger.sources[of]; told <= n {
			n -= told
		} // else the kernel had forgotten it, and counts from one again
		place, known := places[s.Row]
		if n == 0 || !known {
			continue
		}
		l.ledger.named[direction{place, s.Out}] += n
		l.add(Refused{
			Peer: l.rows[place].peer, Address: s.Address, Out: s.Out, Mode: l.rows[place].mode,
			Reason: reason(&l.limits[place], s.TooFast), Count: n, First: s.First, Last: s.Last,
		})
	}
	l.ledger.sources = seen
	for place, r := range now.Rows {
		l.rest(direction{place, false}, r.In)
		l.rest(direction{place, true}, r.Out)
	}
}

// rest tells of what is counted of a row, but of none of its sources.
func (l *Limiter) rest(d direction, total uint64) {
	known := l.ledger.named[d] + l.ledger.unnamed[d]
	if total <= known {
		return
	}
	l.ledger.unnamed[d] += total - known
	l.add(Refused{Peer: l.rows[d.place].peer, Out: d.out, Mode: l.rows[d.place].mode, Count: total - known})
}

func (l *Limiter) add(r Refused) {
	if len(l.untold) < maxUntold {
		l.untold = append(l.untold, r)
	}
}

func reason(row *bpf.LimitRow, tooFast bool) string {
	if !tooFast {
		return fmt.Sprintf("limits: max_connections: %d at a time", row.MaxConnections)
	}
	return fmt.Sprintf("limits: connects_per_second: %s, with a burst of %d", strconv.FormatFloat(row.PerSecond, 'g', -1, 64), max(1, row.Burst))
}
