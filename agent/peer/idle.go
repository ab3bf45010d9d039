// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"slices"
	"time"
)

const (
	idleKept  = 16              // newest closes that are remembered
	idleLeast = time.Second     // a shorter silence is no idle timer
	idleEqual = 3               // closes that have to agree
	idleSlack = 1 * time.Second // or a tenth, whichever is more
)

// idleTimes are the silences that the peer ended by closing.
type idleTimes struct {
	last []time.Duration
	at   int
}

// ClosedIdle notes that the peer closed a connection by FIN, with no
// transaction pending, after so long without a byte.
func (p *Peer) ClosedIdle(d time.Duration) {
	if d < idleLeast {
		return
	}
	if len(p.idle.last) < idleKept {
		p.idle.last = append(p.idle.last, d)
		return
	}
	p.idle.last[p.idle.at] = d
	p.idle.at = (p.idle.at + 1) % idleKept
}

// IdleTimeout infers the peer's idle timer: the longest silences it allowed
// agree with each other, there are at least three of them, and they are most
// of those seen. A timer is a bound, so a single longer silence speaks against
// it; shorter ones may have had another reason.
func (p *Peer) IdleTimeout() (time.Duration, bool) {
	if len(p.idle.last) < idleEqual {
		return 0, false
	}
	d := slices.Clone(p.idle.last)
	slices.Sort(d)
	longest := d[len(d)-1]
	from := len(d) - 1
	for from > 0 && longest-d[from-1] <= max(longest/10, idleSlack) {
		from--
	}
	d = d[from:]
	if len(d) < idleEqual || 2*len(d) <= len(p.idle.last) {
		return 0, false
	}
	return d[len(d)/2], true
}
