// SPDX-License-Identifier: Apache-2.0

package report

import (
	"testing"
	"time"
)

func TestOnly(t *testing.T) {
	now := time.Now()
	line := func(remote string, pid uint32, transactions uint32) Connection {
		return Connection{
			Remote: remote, Process: &Process{PID: pid}, Opened: &now, Initiator: "local",
			Transactions: transactions, HandshakeSeconds: Ref(0.25), Class: Class{Observed: "persistent"},
		}
	}
	refused := line("192.0.2.1:5060", 1, 0)
	refused.Opened, refused.Closed, refused.HandshakeSeconds, refused.Class.Observed = nil, &now, nil, "undetermined"
	r := &Report{
		Connections: []Connection{
			line("192.0.2.1:5060", 1, 3), line("192.0.2.1:5060", 2, 50), line("192.0.2.1:5060", 1, 0), refused,
			line("[2001:db8::1]:5060", 1, 7), line("192.0.2.3:5060", 2, 7),
		},
		Peers: []Peer{
			{Address: "192.0.2.1", Requests: 53, DuplicatePairs: 4},
			{Address: "2001:db8::1", Requests: 7, DuplicatePairs: 1},
			{Address: "192.0.2.3", Requests: 7},
		},
	}
	got := Only(r, func(c *Connection) bool { return c.Process.PID == 1 })
	if len(got.Connections) != 4 || got.Summary.Connections != 4 || got.Summary.Persistent != 3 {
		t.Errorf("%d connections, summary %+v", len(got.Connections), got.Summary)
	}
	if len(got.Peers) != 2 {
		t.Fatalf("peers %+v", got.Peers)
	}
	// Another process's connection is left out: counted again.
	p := got.Peers[0]
	if p.ConnectionsOpened != 2 || p.ConnectFailures != 1 || p.Requests != 3 || p.RequestsReused != 2 || p.ConnectionsReused != 1 ||
		p.RequestsPerConnection != 3 || p.HandshakeSecondsSpent != 0.5 || p.DuplicatePairs != 0 {
		t.Errorf("%+v", p)
	}
	// All kept: as it was.
	if p := got.Peers[1]; p.Requests != 7 || p.DuplicatePairs != 1 {
		t.Errorf("%+v", p)
	}
}

// TestOnlyFindings: they go with their connection, and are counted again.
func TestOnlyFindings(t *testing.T) {
	r := &Report{
		Connections: []Connection{{ID: "c1", Findings: []int{1}}, {ID: "c2", Findings: []int{0, 2}}},
		Findings: []Finding{
			{Rule: "A-01", Connection: "c2", Severity: "violation"},
			{Rule: "A-02", Connection: "c1", Severity: "violation"},
			{Rule: "A-03", Connection: "c2", Severity: "advice"},
			{Rule: "A-04", Connection: "c9", Severity: "info"},
		},
		Actions: []Action{{Action: "close", Connection: "c1"}, {Action: "protect", Connection: "c2"}},
		Summary: Summary{Findings: FindingCounts{Violation: 2, Advice: 1, Info: 1}},
	}
	got := Only(r, func(c *Connection) bool { return c.ID == "c2" })
	if len(got.Findings) != 2 || got.Findings[0].Rule != "A-01" || got.Findings[1].Rule != "A-03" {
		t.Errorf("findings %+v", got.Findings)
	}
	if of := got.Connections[0].Findings; len(of) != 2 || of[0] != 0 || of[1] != 1 {
		t.Errorf("indexes %v", of)
	}
	if got.Summary.Findings != (FindingCounts{Violation: 1, Advice: 1}) {
		t.Errorf("summary %+v", got.Summary.Findings)
	}
	if len(got.Actions) != 1 || got.Actions[0].Action != "protect" {
		t.Errorf("actions %+v", got.Actions)
	}
}
