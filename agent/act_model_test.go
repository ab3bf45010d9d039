// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/model"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestNothingIsClosedWrongly: in a million steps of two entities no connection
// is closed with a transaction pending, within 64*T1 of a message, twice, or
// one that is not there. The model knows, and is not asked.
func TestNothingIsClosedWrongly(t *testing.T) {
	const worlds, steps = 100, 10_000
	closes := 0
	for seed := range uint64(worlds) {
		p := strict(policy.Enforce)
		p.Fallback.Ephemeral.IdleTimeout = 33 * time.Second
		c := New(Config{Started: script.Start, Policy: p, ClosesPerMinute: 1_000_000})
		transport := []event.Transport{event.TCP, event.TLS}[seed%2]
		w := model.New(model.Config{Seed: seed, Transport: transport, Idle: true}, c.Handle)
		for next := w.Now; w.Steps < steps; {
			w.Run(w.Steps + 1)
			if w.Now < next {
				continue
			}
			next = w.Now.Add(time.Second)
			c.Tick(w.Now)
			for _, wish := range c.Wishes(w.Now) {
				if wish.Action != rule.Close {
					continue
				}
				if err := c.Still(&wish, w.Now); err != nil {
					continue // it was right when it was asked for
				}
				if wrong := w.End(wish.Conn.Socket); wrong != "" {
					t.Fatalf("seed %d: closed after %d steps though %s (%s)", seed, w.Steps, wrong, wish.Reason)
				}
				closes++
				c.Acted(&wish, Done, "", w.Now)
			}
		}
	}
	if closes < 10*worlds {
		t.Errorf("%d closes in %d worlds: the test has hardly tested anything", closes, worlds)
	}
	t.Logf("%d closes", closes)
}
