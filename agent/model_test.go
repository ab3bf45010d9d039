// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/model"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// behold lets a core watch a world for so many steps.
func behold(cfg model.Config, steps int) (*model.World, *report.Report) {
	// The two share one connection without having agreed on it, as a provider
	// and its clients do.
	c := New(Config{Started: script.Start, Profile: rule.Profile{NAT: cfg.Transport != event.UDP}})
	var ticked event.Time
	w := model.New(cfg, func(e *event.Event) {
		if e.Time.Sub(ticked) >= time.Second {
			c.Tick(e.Time)
			ticked = e.Time
		}
		c.Handle(e)
	})
	end := w.Run(steps)
	return w, c.Report(end)
}

func findings(r *report.Report) string {
	s := ""
	for _, f := range r.Findings {
		s += fmt.Sprintf("\n%s %s by %s on %s at %s (%d times): %s: %s", f.Severity, f.Rule, f.Party, f.Connection,
			f.Time.Sub(script.Start.Go()), f.Count, f.Summary, f.Evidence)
	}
	return s
}

var modelTransports = map[string]event.Transport{"tcp": event.TCP, "tls": event.TLS, "udp": event.UDP}

// TestConforming: two entities that keep the rules for a million steps break
// none, whatever they do.
func TestConforming(t *testing.T) {
	const worlds, steps = 67, 5000
	for name, transport := range modelTransports {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(worlds) {
				w, r := behold(model.Config{Seed: seed, Transport: transport}, steps)
				if w.Steps < steps {
					t.Fatalf("seed %d: the world ended after %d steps", seed, w.Steps)
				}
				if n := r.Summary.Findings; n.Violation+n.Advice > 0 {
					t.Fatalf("seed %d: findings about entities that keep the rules:%s", seed, findings(r))
				}
				if r.Lost.Total() > 0 {
					t.Fatalf("seed %d: lost %+v", seed, r.Lost)
				}
			}
		})
	}
}
