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

// TestAssistedWorlds: two entities that keep every rule, and viaduct sends
// keep-alives for one of them: never one beside the entity's own that are in
// time, never in the middle of a message, and no rule is found broken for it.
func TestAssistedWorlds(t *testing.T) {
	policies := map[string]policy.Keepalive{
		"agreed":         {Inject: policy.InjectAgreed},
		"always":         {Inject: policy.InjectAlways},
		"always by crlf": {Inject: policy.InjectAlways, Method: policy.MethodCRLF},
	}
	const worlds, steps = 12, 4000
	for name, keep := range policies {
		t.Run(name, func(t *testing.T) {
			injected := 0
			for seed := range uint64(worlds) {
				for _, transport := range modelTransports {
					injected += assistedWorld(t, keep, seed, transport, steps)
				}
			}
			t.Logf("%d keep-alives", injected)
			if injected == 0 {
				t.Error("no keep-alive was sent: nothing was tested")
			}
		})
	}
}

func assistedWorld(t *testing.T, keep policy.Keepalive, seed uint64, transport event.Transport, steps int) (injected int) {
	c := New(Config{Started: script.Start, Policy: keeping(keep, policy.Enforce), Profile: rule.Profile{NAT: transport != event.UDP}})
	w := model.New(model.Config{Seed: seed, Transport: transport}, c.Handle)
	for tick := w.Now; w.Steps < steps; w.Until(w.Now.Add(100 * time.Millisecond)) {
		if w.Now.Sub(tick) >= time.Second {
			tick = w.Now
			c.Tick(w.Now)
		}
		for _, wish := range c.Beats(w.Now) {
			if err := c.Still(&wish, w.Now); err != nil {
				t.Fatalf("seed %d: asked for what is not to be done: %v", seed, err)
			}
			wrong := ""
			switch wish.Action {
			case rule.KeepaliveCRLF:
				wrong = w.Ping(wish.Conn.Socket, wish.Seq)
			case rule.KeepaliveSTUN:
				wrong = w.Bind(wish.ID)
			}
			if wrong != "" {
				t.Fatalf("seed %d, %v, after %s: %s, though %s", seed, transport, w.Now.Sub(script.Start), wish.Reason, wrong)
			}
			injected++
			c.Acted(&wish, Done, "", w.Now)
		}
	}
	r := c.Report(w.Now)
	if n := r.Summary.Findings; n.Violation+n.Advice > 0 {
		t.Fatalf("seed %d, %v: findings about entities that keep the rules:%s", seed, transport, findings(r))
	}
	if c.counters.Misplaced > 0 {
		t.Fatalf("seed %d: %d in the middle of a message", seed, c.counters.Misplaced)
	}
	return injected
}
