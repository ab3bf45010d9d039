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
