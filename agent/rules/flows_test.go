// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules"
	"github.com/viaduct-project/viaduct/internal/flow"
	"github.com/viaduct-project/viaduct/internal/site"
)

// TestFlows plays the example flows of every rule: those that break it raise
// that finding and no other, those that hold it raise none.
func TestFlows(t *testing.T) {
	for _, family := range rules.Catalogue() {
		for i := range family.Rules {
			r := &family.Rules[i]
			t.Run(r.ID, func(t *testing.T) { testRule(t, family.Flows, r) })
		}
		unclaimed(t, &family)
	}
}

func testRule(t *testing.T, flows fs.FS, r *rule.Rule) {
	text, err := fs.ReadFile(flows, "flows/"+r.ID+".flow")
	if errors.Is(err, fs.ErrNotExist) && (r.Standing == rule.Recognised || r.Standing == rule.Unseen) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	file, err := flow.ParseFile(r.ID+".flow", text)
	if err != nil {
		t.Fatal(err)
	}
	var breaks, holds int
	for i := range file.Sections {
		s := &file.Sections[i]
		if s.Kind == flow.Breaks {
			breaks++
		} else {
			holds++
		}
		t.Run(fmt.Sprintf("%s %s", s.Kind, s.Title), func(t *testing.T) { testSection(t, r, s) })
	}
	judged := r.Standing == rule.Judged || r.Standing == rule.ByPolicy
	if judged && (breaks == 0 || holds == 0) {
		t.Errorf("%d flows break it and %d hold it; at least one each is wanted", breaks, holds)
	}
	if !judged && breaks > 0 {
		t.Errorf("%d flows break it, but it is %s", breaks, r.Standing)
	}
}

func testSection(t *testing.T, r *rule.Rule, s *flow.Section) {
	c := agent.New(config(t, s))
	end := flow.Run(c, s)
	c.Beats(end) // whoever sends keep-alives asks what became of them
	got := c.Report(end).Findings
	if s.Kind == flow.Holds {
		for i := range got {
			t.Errorf("unwanted: %s", describe(&got[i]))
		}
		return
	}
	if wrong := missing(s.Expect, got); wrong != "" {
		t.Errorf("%s", wrong)
		for i := range got {
			t.Logf("raised: %s", describe(&got[i]))
		}
	}
	for i := range got {
		if got[i].Rule != r.ID {
			t.Errorf("another rule's: %s", describe(&got[i]))
		}
	}
}

func describe(f *report.Finding) string {
	return fmt.Sprintf("%s %s %s, %d times: %s: %s", f.Rule, f.Party, f.Severity, f.Count, f.Summary, f.Evidence)
}

// unclaimed finds flows that are named after no rule.
func unclaimed(t *testing.T, f *rule.Family) {
	entries, err := fs.ReadDir(f.Flows, "flows")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		id, isFlow := strings.CutSuffix(e.Name(), ".flow")
		if isFlow && !slices.ContainsFunc(f.Rules, func(r rule.Rule) bool { return r.ID == id }) {
			t.Errorf("%s: there is no such rule in %s", path.Join("flows", e.Name()), f.Name)
		}
	}
}

// missing says which expectation no finding fulfils, or which finding nobody
// expects.
func missing(expect []flow.Expect, got []report.Finding) string {
	rest := slices.Clone(got)
	for _, e := range expect {
		i := slices.IndexFunc(rest, func(f report.Finding) bool {
			return f.Rule == e.ID && (e.Fault == "" || e.Fault == f.Party) &&
				(e.Severity == "" || e.Severity == f.Severity) && (e.Count == 0 || uint32(e.Count) == f.Count)
		})
		if i < 0 {
			return fmt.Sprintf("not raised: %+v", e)
		}
		rest = slices.Delete(rest, i, i+1)
	}
	for i := range rest {
		return "not expected: " + describe(&rest[i])
	}
	return ""
}

// config is how a flow wants the core to be set.
func config(t *testing.T, s *flow.Section) agent.Config {
	t.Helper()
	c, err := site.Config(agent.Config{Started: flow.Start}, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
