// SPDX-License-Identifier: Apache-2.0

package text

import (
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
)

func TestGrouped(t *testing.T) {
	r := &report.Report{
		Connections: []report.Connection{{ID: "c1", Remote: "198.51.100.7:40001"}, {ID: "c2", Remote: "198.51.100.7:40002"}, {ID: "c3", Remote: "[2001:db8::7]:5060"}},
		Findings: []report.Finding{
			{Rule: "TP-01", Severity: "advice", Party: "peer", Connection: "c1", Count: 3},
			{Rule: "KEEP-04", Severity: "violation", Party: "local", Connection: "c3", Count: 1},
			{Rule: "TP-01", Severity: "advice", Party: "peer", Connection: "c2", Count: 4},
			{Rule: "AL-08", Severity: "advice", Party: "unknown", Connection: "c1", Count: 1},
			{Rule: "AL-08", Severity: "advice", Party: "unknown", Address: "203.0.113.9:5060", Connection: "c1", Count: 2},
		},
	}
	want := []struct {
		rule, at    string
		connections int
		times       uint64
	}{
		{"KEEP-04", "local to 2001:db8::7", 1, 1},
		{"TP-01", "peer 198.51.100.7", 2, 7},
		{"AL-08", "203.0.113.9", 1, 2},
		{"AL-08", "? with 198.51.100.7", 1, 1},
	}
	got := grouped(r)
	if len(got) != len(want) {
		t.Fatalf("%d groups", len(got))
	}
	for i, g := range got {
		if g.Rule != want[i].rule || g.at != want[i].at || g.connections != want[i].connections || g.times != want[i].times {
			t.Errorf("%d: %s %s on %d connections, %d times; want %+v", i, g.Rule, g.at, g.connections, g.times, want[i])
		}
	}
}
