// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pion/stun/v2"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/act"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// beatEvery bounds how late a keep-alive is asked for, and beatAtMost how
	// long one that only came up is not noticed.
	beatEvery  = 20 * time.Millisecond
	beatAtMost = 200 * time.Millisecond
)

// hands are what the keeper needs of [act.Hands].
type hands interface {
	socketOptions
	Ready()
	Ping(t act.Target, at uint32, still func() error) act.Outcome
	Binding(t act.Target, packet []byte, swallow bool) act.Outcome
}

// keeper sends the keep-alives that the core asks for. Those that go into a
// stream or a flow wait for nothing else; the options of sockets are set beside
// that, as they may wait for a connection that is being closed.
type keeper struct {
	with func(func(*agent.Core)) // the core, for as long as the function runs
	now  func() event.Time
	load func() (hands, error)

	writes  bool // some keep-alives are written
	ready   bool // what that takes was loaded
	written *writers
	probes  batch
}

// run sends until ctx is done.
func (k *keeper) run(ctx context.Context) {
	var setting sync.WaitGroup
	setting.Go(func() { k.probes.run(ctx, k.set) })
	defer setting.Wait()
	k.written = newWriters(k.write)
	defer k.written.end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(k.step())
	}
}

// step sends what is due and returns how long to wait for more.
func (k *keeper) step() time.Duration {
	for {
		due, next := k.due()
		k.prepare()
		if len(due) == 0 {
			return next
		}
		k.send(due)
	}
}

// prepare loads what it takes to write keep-alives, some programs and a process,
// when the first is agreed: on a busy host that takes seconds, by which the
// first would be late.
func (k *keeper) prepare() {
	if k.ready || !k.writes {
		return
	}
	k.ready = true
	if hands, err := k.load(); err == nil { // else what is due tells
		hands.Ready()
	}
}

// due takes what is due out of the core, and says when to ask again.
func (k *keeper) due() (all []wanted, wait time.Duration) {
	wait = beatAtMost
	k.with(func(c *agent.Core) {
		now := k.now()
		for _, w := range c.Beats(now) {
			all = append(all, wantedOf(w))
		}
		k.writes = c.Writes()
		if next := c.NextBeat(); next != 0 {
			wait = min(max(next.Sub(now), beatEvery), beatAtMost)
		}
	})
	return all, wait
}

func (k *keeper) send(due []wanted) {
	var probes []wanted
	var writes []*wanted
	for i := range due {
		if due[i].Action == rule.KeepaliveTCP {
			probes = append(probes, due[i])
		} else {
			writes = append(writes, &due[i])
		}
	}
	k.probes.add(probes)
	k.written.add(writes)
}

func (k *keeper) write(t *wanted) {
	hands, err := k.load()
	switch {
	case err != nil:
		k.tell(t, agent.Failed, err.Error())
	case t.Action == rule.KeepaliveCRLF:
		k.outcome(t, hands.Ping(t.Target, t.Seq, func() error { return k.still(t) }), "")
	case t.Action == rule.KeepaliveSTUN:
		k.bind(hands, t)
	}
}

// set sets the options of sockets.
func (k *keeper) set(p *protector, all []wanted) {
	hands, err := k.load()
	these := make([]*wanted, len(all))
	for i := range all {
		these[i] = &all[i]
		if err != nil {
			k.tell(these[i], agent.Failed, err.Error())
		}
	}
	if err == nil {
		p.protect(hands, these, k.outcome, k.stands)
	}
}

// bind sends a Binding request: RFC 5626 section 8 asks for no attribute.
func (k *keeper) bind(h hands, t *wanted) {
	if err := k.still(t); err != nil {
		k.tell(t, agent.Skipped, err.Error())
		return
	}
	m, err := stun.Build(stun.NewTransactionIDSetter(t.ID), stun.BindingRequest)
	if err != nil {
		k.tell(t, agent.Failed, fmt.Sprintf("build a Binding request: %v", err))
		return
	}
	k.outcome(t, h.Binding(t.Target, m.Raw, t.Swallow), "")
}

// still asks the core once more, at the moment of acting. What the program has
// written meanwhile shows in the stream's next byte, which the hands compare.
func (k *keeper) still(t *wanted) (err error) {
	k.with(func(c *agent.Core) { err = c.Still(&t.Wish, k.now()) })
	return err
}

func (k *keeper) outcome(t *wanted, out act.Outcome, more string) {
	k.tell(t, outcomes[out.Result], reasonOf(t, out)+more)
}

func (k *keeper) tell(t *wanted, o agent.Outcome, reason string) {
	k.with(func(c *agent.Core) { c.Acted(&t.Wish, o, reason, k.now()) })
}

func (k *keeper) stands(t *wanted) { k.with(func(c *agent.Core) { c.Stands(&t.Wish, k.now()) }) }
