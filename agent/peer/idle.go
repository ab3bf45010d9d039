// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	idleKept  = 16              // newest closes that are remembered
	idleLeast = time.Second     // a shorter silence is no idle timer
	idleEqual = 3               // closes that have to agree
	idleSlack = 1 * time.Second // or a tenth, whichever is more
)

// idleTimes are the silences that one side ended by closing.
type idleTimes struct {
	last []time.Duration
	at   int
}

// Idle is an idle timer that was inferred.
type Idle struct {
	After  time.Duration
	Closes int // that agree on it, of the newest sixteen
}

// Near says whether a silence of d is one that the timer ends.
func (i Idle) Near(d time.Duration) bool {
	return (d - i.After).Abs() <= max(i.After/10, idleSlack)
}

// ClosedIdle notes that side s, the peer or this host, closed a connection
// with the peer by FIN, with no transaction pending, after so long without a
// byte.
func (p *Peer) ClosedIdle(s event.Side, d time.Duration) {
	if d < idleLeast || s == event.Unknown {
		return
	}
	t := p.idleOf(s)
	if len(t.last) < idleKept {
		t.last = append(t.last, d)
		return
	}
	t.last[t.at] = d
	t.at = (t.at + 1) % idleKept
}

func (p *Peer) idleOf(s event.Side) *idleTimes {
	if s == event.Local {
		return &p.ours
	}
	return &p.idle
}

// IdleTimeout infers the idle timer of the peer, or of this host towards it:
// the longest silences it allowed agree with each other, there are at least
// three of them, and they are most of those seen. A timer is a bound, so a
// single longer silence speaks against it; shorter ones may have had another
// reason.
func (p *Peer) IdleTimeout(s event.Side) (Idle, bool) {
	last := p.idleOf(s).last
	if len(last) < idleEqual {
		return Idle{}, false
	}
	d := slices.Clone(last)
	slices.Sort(d)
	longest := d[len(d)-1]
	from := len(d) - 1
	for from > 0 && longest-d[from-1] <= max(longest/10, idleSlack) {
		from--
	}
	d = d[from:]
	if len(d) < idleEqual || 2*len(d) <= len(last) {
		return Idle{}, false
	}
	return Idle{d[len(d)/2], len(d)}, true
}
