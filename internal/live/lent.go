// SPDX-License-Identifier: Apache-2.0

package live

import (
	"sync"
	"time"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/act"
)

// handsAgain is when hands that could not be had are tried again.
const handsAgain = time.Minute

// The hands and the programs agree on how many keep-alives are sent side by side.
var _ [bpf.Lanes]struct{} = [act.Lanes]struct{}{}

// lent are the hands of one observation, loaded when first needed: the programs
// can be told of one socket that is held at a time.
type lent struct {
	probes *bpf.Probes

	mu      sync.Mutex
	hands   *act.Hands
	refused error // they could not be had
	tried   time.Time
}

func (l *lent) get() (*act.Hands, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hands != nil || l.refused != nil && time.Since(l.tried) < handsAgain {
		return l.hands, l.refused
	}
	l.tried = time.Now()
	l.hands, l.refused = act.New(l.probes)
	return l.hands, l.refused
}

// sent is what became of the keep-alives that these hands were to send.
func (l *lent) sent() act.Sent {
	l.mu.Lock()
	hands := l.hands
	l.mu.Unlock()
	if hands == nil {
		return act.Sent{}
	}
	return hands.Sent()
}

// release lets go of the hands, which nobody must use any more.
func (l *lent) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hands != nil {
		l.hands.Release()
		l.hands = nil
	}
}
