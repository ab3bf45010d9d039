// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/flow"
)

// TestOnly: what a check is not called for would have changed nothing. The
// example flows of all rules say the same, event for event, when every check
// looks at every message.
func TestOnly(t *testing.T) {
	played := 0
	for _, family := range rules.Catalogue() {
		for i := range family.Rules {
			id := family.Rules[i].ID
			text, err := fs.ReadFile(family.Flows, "flows/"+id+".flow")
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			file, err := flow.ParseFile(id+".flow", text)
			if err != nil {
				t.Fatal(err)
			}
			for j := range file.Sections {
				s := &file.Sections[j]
				for _, nat := range []bool{false, true} {
					played++
					t.Run(id+" "+s.Title, func(t *testing.T) {
						sameUngated(t, s, rule.Profile{
							NAT: nat, Flows: 2, MaxPersistent: 1, Domains: []string{"example.com", "example.net"},
							Swamping: rule.Swamping{PerMinute: 2},
						})
					})
				}
			}
		}
	}
	if played < 2*len(rules.Catalogue()) {
		t.Errorf("%d flows played", played)
	}
}

func sameUngated(t *testing.T, s *flow.Section, p rule.Profile) {
	gated, all := agent.New(agent.Config{Started: flow.Start, Profile: p}), agent.New(agent.Config{Started: flow.Start, Profile: p})
	all.Ungate()
	events, end := flow.Events(s)
	now := flow.Start
	tick := func() {
		gated.Tick(now)
		all.Tick(now)
		if gated.Timers() != all.Timers() {
			t.Fatalf("at %s: %d timers, %d if all checks are called", now.Sub(flow.Start), gated.Timers(), all.Timers())
		}
	}
	for i := range events {
		for ; now < events[i].Time; now = now.Add(time.Second) {
			tick()
		}
		gated.Handle(&events[i])
		all.Handle(&events[i])
	}
	for ; now <= end; now = now.Add(time.Second) {
		tick()
	}
	got, want := lines(t, gated, end), lines(t, all, end)
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("line %d of the report:\n%s\nif all checks are called:\n%s", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines, %d if all checks are called", len(got), len(want))
	}
}

func lines(t *testing.T, c *agent.Core, end event.Time) []string {
	var b bytes.Buffer
	if err := c.Report(end).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return strings.Split(b.String(), "\n")
}
