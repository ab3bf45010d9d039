// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"sync/atomic"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/act"
)

// enforcer does what the core's policy asks for. It acts on one batch after the
// other, beside the reading of events.
type enforcer struct {
	w     *Watch
	hands *act.Hands // loaded when first needed; of the goroutine that acts
	busy  atomic.Bool
	done  chan struct{} // of the newest batch

	protected map[uint64]bool // sockets; of the goroutine that acts
}

// wanted is a wish with what is needed to find its socket.
type wanted struct {
	rule.Wish
	act.Target
	options act.Options
}

// step starts what the core asks for now, unless something is being done, and
// tells what became of what it asked for before.
func (e *enforcer) step() {
	e.tellNew()
	if e.busy.Load() {
		return
	}
	due := e.due()
	if len(due) == 0 {
		return
	}
	e.busy.Store(true)
	done := make(chan struct{})
	e.done = done
	go func() {
		defer close(done)
		defer e.busy.Store(false)
		e.do(due)
	}()
}

// due takes the wishes out of the core, with what they are about.
func (e *enforcer) due() []wanted {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	var all []wanted
	for _, wish := range e.w.core.Wishes(e.w.probes.Now()) {
		c := wish.Conn
		all = append(all, wanted{
			Wish:    wish,
			Target:  act.Target{Socket: c.Socket, NetNS: c.NetNS, PID: c.Owner.PID, Local: c.Local, Remote: c.Remote},
			options: optionsOf(&c.Row.Persistent),
		})
	}
	return all
}

func optionsOf(p *policy.Persistent) act.Options {
	return act.Options{
		KeepaliveIdle: p.TCPKeepalive.Idle, Interval: p.TCPKeepalive.Interval, Probes: p.TCPKeepalive.Probes,
		UserTimeout: p.UserTimeout,
	}
}

func (e *enforcer) do(due []wanted) {
	if e.hands == nil {
		hands, err := act.New(e.w.probes)
		if err != nil {
			for i := range due {
				e.tell(&due[i], agent.Failed, err.Error())
			}
			return
		}
		e.hands = hands
	}
	protect := make(map[act.Options][]*wanted)
	for i := range due {
		t := &due[i]
		switch t.Action {
		case rule.Close:
			e.close(t)
		case rule.Protect:
			protect[t.options] = append(protect[t.options], t)
		}
	}
	for options, all := range protect {
		e.protect(options, all)
	}
}

func (e *enforcer) close(t *wanted) {
	out := e.hands.Close(t.Target, t.Hard, func() error {
		if err := e.w.lag.wait(); err != nil {
			return err
		}
		e.w.mu.Lock()
		defer e.w.mu.Unlock()
		return e.w.core.Still(&t.Wish, e.w.probes.Now())
	})
	e.outcome(t, out, "")
}

// protect sets the options where they are not set, and looks at the others:
// the process may have undone them.
func (e *enforcer) protect(o act.Options, all []*wanted) {
	var first, known []*wanted
	for _, t := range all {
		if e.protected[t.Socket] {
			known = append(known, t)
		} else {
			first = append(first, t)
		}
	}
	undone := make(map[*wanted]string)
	for i, out := range e.hands.Check(targets(known), o) {
		if out.Result == act.Skipped && out.Reason == act.Changed {
			undone[known[i]] = fmt.Sprintf("; the process had undone it: %v", out.Err)
			first = append(first, known[i])
		} else if out.Result == act.Skipped {
			delete(e.protected, known[i].Socket) // it is gone
		}
	}
	if e.protected == nil {
		e.protected = make(map[uint64]bool)
	}
	for i, out := range e.hands.Protect(targets(first), o) {
		if out.Result == act.Done {
			e.protected[first[i].Socket] = true
		}
		e.outcome(first[i], out, undone[first[i]])
	}
}

func targets(all []*wanted) []act.Target {
	list := make([]act.Target, len(all))
	for i, t := range all {
		list[i] = t.Target
	}
	return list
}

var outcomes = map[act.Result]agent.Outcome{act.Done: agent.Done, act.Skipped: agent.Skipped, act.Failed: agent.Failed}

func (e *enforcer) outcome(t *wanted, out act.Outcome, more string) {
	reason := t.Reason
	if out.Result != act.Done && out.Err != nil {
		reason = out.Err.Error()
	} else if out.Means != "" {
		reason = fmt.Sprintf("%s (by %s)", reason, out.Means)
	}
	e.tell(t, outcomes[out.Result], reason+more)
}

func (e *enforcer) tell(t *wanted, o agent.Outcome, reason string) {
	e.w.mu.Lock()
	e.w.core.Acted(&t.Wish, o, reason, e.w.probes.Now())
	e.w.mu.Unlock()
}

// tellNew hands on what the core says of actions since it did so before.
func (e *enforcer) tellNew() {
	e.w.mu.Lock()
	fresh := e.w.core.Actions()
	e.w.mu.Unlock()
	for _, a := range fresh {
		if e.w.acted != nil {
			e.w.acted(a)
		}
	}
}

// release waits for what is being done, tells of it, and lets go of the hands.
func (e *enforcer) release() {
	if e.done != nil {
		<-e.done
	}
	e.tellNew()
	if e.hands != nil {
		e.hands.Release()
		e.hands = nil
	}
}
