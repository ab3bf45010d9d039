// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// What the limits did is counted by row, and told by address, within bounds.
func TestLimited(t *testing.T) {
	p := &policy.Policy{Peers: []policy.Peer{{Name: "trunk"}}, Fallback: policy.Peer{Name: policy.Other}}
	p.Compile()
	c := New(Config{Policy: p, MaxFindings: 4})
	at := event.At(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	address := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }
	c.Limited([]Limited{
		{Peer: "trunk", Address: address(1), Mode: policy.Enforce, Reason: "limits: max_connections: 3 at a time", Count: 5, First: at, Last: at.Add(time.Second)},
		{Peer: "trunk", Address: address(1), Mode: policy.DryRun, Reason: "limits: max_connections: 3 at a time", Count: 1, First: at, Last: at},
		{Peer: "trunk", Address: address(2), Out: true, Mode: policy.Enforce, Reason: "limits: connects_per_second: 1, with a burst of 1", Count: 2, First: at, Last: at},
		{Peer: "trunk", Mode: policy.Enforce, Count: 7},
	}, at.Add(2*time.Second))
	c.Limited([]Limited{
		{Peer: "trunk", Address: address(1), Mode: policy.Enforce, Reason: "limits: max_connections: 3 at a time", Count: 1, First: at, Last: at.Add(3 * time.Second)},
		{Peer: "trunk", Address: address(3), Mode: policy.Enforce, Reason: "no room for a line", Count: 100, First: at, Last: at},
	}, at.Add(4*time.Second))
	c.Limited(nil, at)
	line := func(action, mode, remote, outcome, reason string, last time.Duration, n uint32) report.Action {
		return report.Action{Action: action, Mode: mode, Remote: remote, Outcome: outcome, Reason: reason, Time: at.Go(), Last: at.Add(last).Go(), Count: n}
	}
	want := []report.Action{
		line("limit", "enforce", "192.0.2.1", "done", "peer trunk, limits: max_connections: 3 at a time", 3*time.Second, 6),
		line("limit", "dry-run", "192.0.2.1", "skipped", "dry-run: peer trunk, limits: max_connections: 3 at a time", 0, 1),
		line("refuse", "enforce", "192.0.2.2", "done", "peer trunk, limits: connects_per_second: 1, with a burst of 1", 0, 2),
		line("limit", "enforce", "", "done", "peer trunk, limits: more addresses than are remembered apart", 2*time.Second, 7),
	}
	want[3].Time = at.Add(2 * time.Second).Go()
	got := c.Report(at.Add(5 * time.Second)).Actions
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: %+v\nwant %+v", i, got[i], want[i])
		}
	}
	s := c.Metrics(at.Add(5 * time.Second))
	for _, n := range []struct {
		action  rule.Action
		mode    policy.Mode
		outcome Outcome
		want    uint64
	}{
		{rule.Limit, policy.Enforce, Done, 113}, {rule.Limit, policy.DryRun, Skipped, 1}, {rule.Refuse, policy.Enforce, Done, 2}, {rule.Refuse, policy.DryRun, Skipped, 0},
	} {
		if got := s.Of("trunk").Actions[n.action][n.mode][n.outcome]; got != n.want {
			t.Errorf("%v %v %v: %d, want %d", n.action, n.mode, n.outcome, got, n.want)
		}
	}
	if len(c.Actions()) != 0 {
		t.Error("an address is a line of the log")
	}
}
