// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"fmt"
	"slices"
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
	return watch(New(Config{Started: script.Start, Profile: rule.Profile{NAT: cfg.Transport != event.UDP}}), cfg, steps)
}

func watch(c *Core, cfg model.Config, steps int) (*model.World, *report.Report) {
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

// TestOnlyInWorlds is TestOnly for a world that breaks no rules and one that
// breaks any.
func TestOnlyInWorlds(t *testing.T) {
	for name, transport := range modelTransports {
		for _, fault := range []string{"", "KEEP-02", "OB-01", "TP-19"} {
			var reports [2]bytes.Buffer
			for i := range reports {
				c := New(Config{Started: script.Start})
				if i == 1 {
					c.Ungate()
				}
				_, r := watch(c, model.Config{Seed: 7, Transport: transport, Fault: fault}, 5000)
				if err := r.WriteJSON(&reports[i]); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(reports[0].Bytes(), reports[1].Bytes()) {
				t.Errorf("%s %s: another report if all checks are called", name, fault)
			}
		}
	}
}

// all, streams and datagrams are the transports of a fault.
var (
	all       = []string{"tcp", "tls", "udp"}
	streams   = []string{"tcp", "tls"}
	datagrams = []string{"udp"}
)

// faults are what one of the two may do wrong. finds is what is raised for it,
// one of them if there are more: which one depends on what else was agreed.
// also may be raised beside it: what the other side, which knows nothing of the
// fault, goes on doing then.
var faults = map[string]struct {
	transports  []string
	finds, also []string
}{
	"AL-22":   {all, []string{"AL-22"}, nil},
	"KA-04":   {streams, []string{"KA-04", "KA-03", "KEEP-31"}, []string{"KA-02", "KA-08"}},
	"KA-05":   {datagrams, []string{"KA-05"}, nil},
	"KEEP-01": {all, []string{"KEEP-01"}, nil},
	"KEEP-02": {all, []string{"KEEP-02"}, nil},
	"KEEP-03": {all, []string{"KEEP-03"}, nil},
	"KEEP-04": {all, []string{"KEEP-04"}, nil},
	"KEEP-09": {all, []string{"KEEP-09", "KA-07", "KEEP-07"}, nil},
	"KEEP-11": {all, []string{"KEEP-11"}, []string{"KA-07"}},
	"KEEP-14": {all, []string{"KEEP-14"}, nil},
	"KEEP-15": {all, []string{"KEEP-15"}, nil},
	"KEEP-16": {all, []string{"KEEP-16"}, nil},
	"KEEP-19": {all, []string{"KEEP-19"}, nil},
	"KEEP-31": {streams, []string{"KEEP-31", "KA-03"}, []string{"KA-02"}},
	"OB-01":   {all, []string{"OB-01"}, []string{"OB-22"}},
	"OB-02":   {all, []string{"OB-02"}, nil},
	"OB-03":   {all, []string{"OB-03"}, nil},
	"OB-04":   {all, []string{"OB-04"}, nil},
	"OB-16":   {all, []string{"OB-16"}, nil},
	"OB-22":   {all, []string{"OB-22"}, nil},
	"RP-01":   {datagrams, []string{"RP-01"}, nil},
	"RP-02":   {datagrams, []string{"RP-02"}, nil},
	"STUN-04": {datagrams, []string{"STUN-04"}, nil},
	"STUN-16": {datagrams, []string{"STUN-16"}, []string{"KEEP-30", "STUN-09"}},
	"TP-01":   {streams, []string{"TP-01"}, nil},
	"TP-07":   {datagrams, []string{"TP-07"}, nil},
	"TP-08":   {all, []string{"TP-08"}, nil},
	"TP-13":   {datagrams, []string{"TP-13", "RP-02"}, nil},
	"TP-14":   {streams, []string{"TP-14"}, nil},
	"TP-19":   {all, []string{"TP-19"}, nil},
}

// TestFaults: one fault in a world that keeps the rules raises the rule that it
// breaks, and no other.
func TestFaults(t *testing.T) {
	const worlds, enough, steps = 60, 3, 2500
	for id, fault := range faults {
		for _, name := range fault.transports {
			t.Run(id+"/"+name, func(t *testing.T) {
				committed := 0
				for seed := uint64(0); seed < worlds && committed < enough; seed++ {
					w, r := behold(model.Config{Seed: seed, Transport: modelTransports[name], Fault: id}, steps)
					if !w.Broken {
						continue
					}
					committed++
					found := false
					for _, f := range r.Findings {
						switch {
						case slices.Contains(fault.finds, f.Rule):
							found = true
						case f.Severity != "info" && !slices.Contains(fault.also, f.Rule):
							t.Errorf("seed %d: %s too", seed, f.Rule)
						}
					}
					if !found {
						t.Errorf("seed %d: the fault was not found", seed)
					}
					if t.Failed() {
						t.Fatalf("raised:%s", findings(r))
					}
				}
				if committed == 0 {
					t.Errorf("the fault was never committed in %d worlds", worlds)
				}
			})
		}
	}
}
