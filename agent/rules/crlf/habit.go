// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
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
	d    time.Duration
	n    int
	last event.Time
}

type delays map[netip.Addr]delay

// again counts how often in a row the same delay was seen, now before a close
// at t.
func (h *habits) again(m delays, peer netip.Addr, d time.Duration, t event.Time) int {
	old, known := m[peer]
	if !known && len(m) >= maxPeers {
		h.Evicted += uint64(len(m))
		clear(m) // habits show again
	}
	if !known || (d-old.d).Abs() > max(time.Second, old.d/20) {
		old = delay{d: d}
	}
	old.n++
	old.last = t
	m[peer] = old
	return old.n
}
