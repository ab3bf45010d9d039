// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"io/fs"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/internal/flow"
)

// TestLost: rules that judge by what did not come stay silent when the source
// has lost something meanwhile.
func TestLost(t *testing.T) {
	before := map[string]int{ // so many events before the end something is lost
		"OB-11": 1, "OB-17": 1, "OB-18": 1, "OB-21": 4, "OB-37": 5, "OB-38": 3, "OB-39": 2, "OB-43": 2, "OB-44": 1,
	}
	for _, family := range rules.Catalogue() {
		for i := range family.Rules {
			id := family.Rules[i].ID
			n, wanted := before[id]
			if !wanted {
				continue
			}
			delete(before, id)
			text, err := fs.ReadFile(family.Flows, "flows/"+id+".flow")
			if err != nil {
				t.Fatal(err)
			}
			file, err := flow.ParseFile(id+".flow", text)
			if err != nil {
				t.Fatal(err)
			}
			for j := range file.Sections {
				if s := &file.Sections[j]; s.Kind == flow.Breaks && s.Title != "the registrar lists both" {
					t.Run(id+" "+s.Title, func(t *testing.T) { silentAfterLoss(t, s, n) })
				}
			}
		}
	}
	if len(before) > 0 {
		t.Errorf("no such rules: %v", before)
	}
}

func silentAfterLoss(t *testing.T, s *flow.Section, last int) {
	c := agent.New(config(t, s))
	events, end := flow.Events(s)
	now := flow.Start
	for i := range events {
		for ; now < events[i].Time; now = now.Add(time.Second) {
			c.Tick(now)
		}
		if i == len(events)-last {
			c.SetLost(agent.Lost{RingFull: 1})
		}
		c.Handle(&events[i])
	}
	for ; now <= end; now = now.Add(time.Second) {
		c.Tick(now)
	}
	for _, f := range c.Report(end).Findings {
		t.Errorf("raised: %s", describe(&f))
	}
}
