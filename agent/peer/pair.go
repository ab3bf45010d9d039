// SPDX-License-Identifier: Apache-2.0

package peer

import "net/netip"

// Neighbours are the two ends between which one connection would do: this
// host's address, the peer's, and the port that the peer serves at, which an
// outbound connection goes to and an inbound one names in its sent-by. Without
// a known sent-by there is nothing to compare.
type Neighbours struct {
	NetNS uint64
	Local netip.Addr
	Peer  netip.Addr
	Port  uint16
}

// ends are the live connections by direction.
type ends struct {
	out, in             int
	newestOut, newestIn Member // that joined; they may have left
}

// Member is a connection, as whoever joins it knows it.
type Member any

func (e *ends) pairs() int { return min(e.out, e.in) }

// Reverse returns the newest connection in the other direction, nil if there
// is none. It may have left if others are there still.
func (tb *Table) Reverse(n Neighbours, outbound bool) Member {
	e := tb.pairs[n]
	switch {
	case outbound && e.in > 0:
		return e.newestIn
	case !outbound && e.out > 0:
		return e.newestOut
	}
	return nil
}

// Join adds a live connection and counts for p the pair that comes up by it.
// Beyond the table's limit of neighbours nothing is watched, which counts as
// evicted.
func (tb *Table) Join(p *Peer, n Neighbours, m Member, outbound bool) bool {
	e, known := tb.pairs[n]
	if !known && len(tb.pairs) >= tb.Limit {
		tb.Evicted++
		return false
	}
	before := e.pairs()
	if outbound {
		e.out++
		e.newestOut = m
	} else {
		e.in++
		e.newestIn = m
	}
	p.Pairs += uint64(e.pairs() - before)
	tb.pairs[n] = e
	return true
}

// Leave removes a connection that joined.
func (tb *Table) Leave(n Neighbours, outbound bool) {
	e := tb.pairs[n]
	if outbound {
		e.out--
	} else {
		e.in--
	}
	if e.out == 0 && e.in == 0 {
		delete(tb.pairs, n)
		return
	}
	tb.pairs[n] = e
}
