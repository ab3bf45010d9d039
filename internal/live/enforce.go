// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"sync/atomic"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/act"
)

// enforcer does what the core's policy asks for. It acts on one batch after the
// other, beside the reading of events.
type enforcer struct {
	w    *Watch
	busy atomic.Bool
	done chan struct{} // of the newest batch

	protector protector // of the goroutine that acts
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
		all = append(all, wantedOf(wish))
	}
	return all
}

// wantedOf is called with the core locked.
func wantedOf(w rule.Wish) wanted {
	c := w.Conn
	t := wanted{
		Wish:    w,
		Target:  act.Target{Socket: c.Socket, NetNS: c.NetNS, PID: c.Owner.PID, Local: c.Local, Remote: c.Remote},
		options: act.Options{KeepaliveIdle: w.Probe.Idle, Interval: w.Probe.Interval, Probes: w.Probe.Probes},
	}
	if w.Action == rule.Protect {
		t.options.UserTimeout = c.Row.Persistent.UserTimeout
	}
	return t
}

func (e *enforcer) do(due []wanted) {
	hands, err := e.w.hands.get()
	if err != nil {
		for i := range due {
			e.tell(&due[i], agent.Failed, err.Error())
		}
		return
	}
	var protect []*wanted
	for i := range due {
		t := &due[i]
		switch t.Action {
		case rule.Close:
			e.close(hands, t)
		case rule.Protect:
			protect = append(protect, t)
		}
	}
	e.protector.protect(hands, protect, e.outcome, func(*wanted) {})
}

func (e *enforcer) close(hands *act.Hands, t *wanted) {
	out := hands.Close(t.Target, t.Hard, func() error {
		if err := e.w.lag.wait(); err != nil {
			return err
		}
		e.w.mu.Lock()
		defer e.w.mu.Unlock()
		return e.w.core.Still(&t.Wish, e.w.probes.Now())
	})
	e.outcome(t, out, "")
}

var outcomes = map[act.Result]agent.Outcome{act.Done: agent.Done, act.Skipped: agent.Skipped, act.Failed: agent.Failed}

func (e *enforcer) outcome(t *wanted, out act.Outcome, more string) {
	e.tell(t, outcomes[out.Result], reasonOf(t, out)+more)
}

// reasonOf says why t was done, or why it was not.
func reasonOf(t *wanted, out act.Outcome) string {
	switch {
	case out.Result != act.Done && out.Err != nil:
		return out.Err.Error()
	case out.Means != "":
		return fmt.Sprintf("%s (by %s)", t.Reason, out.Means)
	}
	return t.Reason
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

// release waits for what is being done, and tells of it.
func (e *enforcer) release() {
	if e.done != nil {
		<-e.done
	}
	e.tellNew()
}
