// SPDX-License-Identifier: Apache-2.0

package live

import (
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// endWait is how long the end of a TLS connection waits for plaintext. What a
// program wrote is known when its call returns; by then the bytes have left, and
// on a near link the answer to them, a FIN, may have come.
const endWait = 100 * time.Millisecond

// ends are ends of connections that wait, in order. They are of the goroutine
// that reads.
type ends []event.Event

// hold keeps e if it is the end of a connection whose plaintext is read.
func (l *ends) hold(p *plain, e *event.Event) bool {
	if p == nil || e.Transport != event.TLS || e.Kind != event.HalfClosed && e.Kind != event.Closed || !p.bound(e.Socket) {
		return false
	}
	*l = append(*l, *e) // it has no payload
	return true
}

// due hands on those that have waited, or all of them.
func (l *ends) due(now event.Time, all bool, hand func(*event.Event)) {
	n := 0
	for ; n < len(*l) && (all || now.Sub((*l)[n].Time) >= endWait); n++ {
		hand(&(*l)[n])
	}
	*l = slices.Delete(*l, 0, n)
}
