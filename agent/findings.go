// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"slices"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// findings fills in what the rules raised and returns the indexes into that
// list by connection.
func (c *Core) findings(r *report.Report) map[uint64][]int {
	of := make(map[uint64][]int)
	all := slices.Clone(c.rules.Findings.All())
	slices.SortStableFunc(all, func(a, b *rule.Finding) int { // what has to wait is raised late
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Conn.ID, b.Conn.ID), cmp.Compare(a.Rule.ID, b.Rule.ID))
	})
	for i, f := range all {
		r.Findings = append(r.Findings, findingLine(f))
		of[f.Conn.ID] = append(of[f.Conn.ID], i)
		r.Summary.Findings.Add(f.Severity.String())
	}
	return of
}

// raised counts a finding for the peer that its connection is of.
func (c *Core) raised(r *rule.Rule, s rule.Severity, party event.Side, conn *fact.Conn) {
	c.by.Of(conn.Row.Name).Findings[metrics.Kind{Rule: r, Severity: s, Party: party}]++
}

// judgedKinds are what findings may be, as far as that is known before.
func (c *Core) judgedKinds() []metrics.Finding {
	var all []metrics.Finding
	for _, r := range c.rules.Judged() {
		for _, party := range []event.Side{event.Unknown, event.Local, event.Remote} {
			all = append(all, metrics.Kind{Rule: r, Severity: r.Severity, Party: party}.Finding())
		}
	}
	return all
}

func partyName(s event.Side) string { return [...]string{"unknown", "local", "peer"}[s] }

func findingLine(f *rule.Finding) report.Finding {
	line := report.Finding{
		ID:         "f" + number(f.ID),
		Rule:       f.Rule.ID,
		Severity:   f.Severity.String(),
		Party:      partyName(f.Party),
		Connection: "c" + number(f.Conn.ID),
		Time:       f.First.Go(),
		Last:       f.Last.Go(),
		Count:      f.Count,
		Summary:    f.Rule.Broken,
		Evidence:   f.Evidence,
		Source:     f.Rule.Source,
	}
	switch f.Party {
	case event.Local:
		line.Address = f.Conn.Local.String()
	case event.Remote:
		line.Address = f.Conn.Remote.String()
	}
	if f.Conn.Sideless {
		line.Party = "unknown" // the address tells
	}
	return line
}
