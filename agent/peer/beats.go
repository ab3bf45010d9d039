// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
)

// Beats are the times between the keep-alives that a peer sends, on whichever
// connections, and what it promised.
type Beats struct {
	keepalive.Pace
	Promised uint32 // seconds, the newest agreement's; 0 if none recommends any
	Late     uint64 // came later than promised
}

// Tolerance is how late a keep-alive may come without being late.
func Tolerance(promised time.Duration) time.Duration { return max(time.Second, promised/50) }

// Add takes one more interval in. promised is the agreed time at its end in
// seconds, 0 if there is none.
func (b *Beats) Add(d time.Duration, promised uint32) {
	b.Pace.Add(d)
	if promised == 0 {
		return
	}
	b.Promised = promised
	if limit := time.Duration(promised) * time.Second; d > limit+Tolerance(limit) {
		b.Late++
	}
}
