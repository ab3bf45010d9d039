// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
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
	// handsAgain is when hands that could not be had are tried again.
	handsAgain = time.Minute
)

// hands are what the keeper needs of [act.Hands].
type hands interface {
	socketOptions
	Ping(t act.Target, at uint32, still func() error) act.Outcome
	Binding(t act.Target, packet []byte, swallow bool) act.Outcome
	Release()
}

// keeper sends the keep-alives that the core asks for. It has a goroutine and
// hands of its own, so that none waits for a connection that is being closed.
type keeper struct {
	with func(func(*agent.Core)) // the core, for as long as the function runs
	now  func() event.Time
	load func() (hands, error)

	hands     hands // loaded when first needed
	refused   error // they could not be
	tried     time.Time
	protector protector
}

// run sends until ctx is done.
func (k *keeper) run(ctx context.Context) {
	defer func() {
		if k.hands != nil {
			k.hands.Release()
		}
	}()
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
		if len(due) == 0 {
			return next
		}
		k.send(due)
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
		if next := c.NextBeat(); next != 0 {
			wait = min(max(next.Sub(now), beatEvery), beatAtMost)
		}
	})
	return all, wait
}

func (k *keeper) send(due []wanted) {
	if err := k.ready(); err != nil {
		for i := range due {
			k.tell(&due[i], agent.Failed, err.Error())
		}
		return
	}
	probes := make(map[act.Options][]*wanted)
	for i := range due {
		t := &due[i]
		switch t.Action {
		case rule.KeepaliveCRLF:
			k.outcome(t, k.hands.Ping(t.Target, t.Seq, func() error { return k.still(t) }), "")
		case rule.KeepaliveSTUN:
			k.bind(t)
		case rule.KeepaliveTCP:
			probes[t.options] = append(probes[t.options], t)
		}
	}
	for options, all := range probes {
		k.protector.protect(k.hands, options, all, k.outcome, k.stands)
	}
}

// ready loads the hands.
func (k *keeper) ready() error {
	if k.hands != nil {
		return nil
	}
	if k.refused != nil && time.Since(k.tried) < handsAgain {
		return k.refused
	}
	k.tried = time.Now()
	k.hands, k.refused = k.load()
	return k.refused
}

// bind sends a Binding request: RFC 5626 section 8 asks for no attribute.
func (k *keeper) bind(t *wanted) {
	if err := k.still(t); err != nil {
		k.tell(t, agent.Skipped, err.Error())
		return
	}
	m, err := stun.Build(stun.NewTransactionIDSetter(t.ID), stun.BindingRequest)
	if err != nil {
		k.tell(t, agent.Failed, fmt.Sprintf("build a Binding request: %v", err))
		return
	}
	k.outcome(t, k.hands.Binding(t.Target, m.Raw, t.Swallow), "")
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
