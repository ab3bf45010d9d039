// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"sync"
	"time"
)

const (
	// passShare: after setting options nothing is set for so many times as long as
	// it took, so that it takes 5 % of a CPU at most; and passPause is the longest
	// of these pauses.
	passShare = 20
	passPause = 5 * time.Second
)

// batch gathers the sockets whose options are to be set. A pass over the host's
// sockets takes long where there are many, but does for any number. It is bounded
// by the connections that there are: each is asked for once, until its outcome is
// told.
type batch struct {
	mu   sync.Mutex
	all  []wanted
	more chan struct{} // there are some
}

func (b *batch) ready() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.more == nil {
		b.more = make(chan struct{}, 1)
	}
	return b.more
}

func (b *batch) add(some []wanted) {
	if len(some) == 0 {
		return
	}
	more := b.ready()
	b.mu.Lock()
	b.all = append(b.all, some...)
	b.mu.Unlock()
	select {
	case more <- struct{}{}:
	default: // it has been said
	}
}

func (b *batch) take() []wanted {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.all
	b.all = nil
	return all
}

// run hands what has been gathered to set, again and again, until ctx is done.
func (b *batch) run(ctx context.Context, set func(*protector, []wanted)) {
	var p protector
	for more := b.ready(); ; {
		select {
		case <-ctx.Done():
			return
		case <-more:
		}
		start := time.Now()
		set(&p, b.take())
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(passShare*time.Since(start), passPause)):
		}
	}
}
