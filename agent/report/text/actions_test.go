// SPDX-License-Identifier: Apache-2.0

package text

import (
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
)

func TestActions(t *testing.T) {
	r := &report.Report{Actions: []report.Action{
		{Action: "limit", Mode: "dry-run", Outcome: "skipped", Remote: "192.0.2.7", Reason: "dry-run: peer trunk, limits: max_connections: 3 at a time", Count: 12},
		{Action: "close", Mode: "enforce", Outcome: "done", Connection: "c4", Remote: "[2001:db8::1]:5060", Reason: "idle for 40s", Count: 1},
		{Action: "close", Mode: "enforce", Outcome: "failed", Connection: "c5", Remote: "192.0.2.9:5060", Reason: "not\x1b[31m allowed", Count: 1},
	}}
	var b strings.Builder
	if err := Write(&b, r, 0); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "Actions")
	got, _, _ = strings.Cut("Actions"+got, "\n\n")
	for i, line := range strings.Split(got, "\n") {
		got := strings.Join(strings.Fields(line), " ")
		want := []string{
			"Actions of the policy: 3", "ACTION MODE OUTCOME TO TIMES WHY",
			"close enforce failed c5 192.0.2.9:5060 1 not?[31m allowed", "close enforce done c4 [2001:db8::1]:5060 1 idle for 40s",
			"limit dry-run skipped 192.0.2.7 12 dry-run: peer trunk, limits: max_connections: 3 at a time",
		}[i]
		if got != want {
			t.Errorf("line %d: %q, want %q", i, got, want)
		}
	}
	r.Actions = nil
	b.Reset()
	if err := Write(&b, r, 0); err != nil || strings.Contains(b.String(), "Actions") {
		t.Errorf("without actions: %v\n%s", err, &b)
	}
}
