// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"net/netip"
	"time"
)

// maxPeers whose habits are known.
const maxPeers = 10_000

// habits is the family's state: after which times peers, or this host towards
// them, close.
type habits struct {
	pongs   delays // after a ping without a pong
	closes  delays // after the last sign of the client
	Evicted uint64
}

func newHabits() any { return &habits{pongs: delays{}, closes: delays{}} }

type delay struct {
	d time.Duration
	n int
}

type delays map[netip.Addr]delay

// again counts how often in a row the same delay was seen.
func (h *habits) again(m delays, peer netip.Addr, d time.Duration) int {
	old, known := m[peer]
	if !known && len(m) >= maxPeers {
		h.Evicted += uint64(len(m))
		clear(m) // habits show again
	}
	if !known || (d-old.d).Abs() > max(time.Second, old.d/20) {
		old = delay{d: d}
	}
	old.n++
	m[peer] = old
	return old.n
}
