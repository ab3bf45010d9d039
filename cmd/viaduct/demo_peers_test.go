// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
)

// story is what a report says about a connection, without what no script
// decides: times, ports, bytes.
type story struct {
	Initiator, Class, Ending string
	Pending                  int
	Messages                 report.Messages
	Keepalives               report.Keepalives
}

func storyOf(c *report.Connection) story {
	s := story{
		Initiator: c.Initiator, Class: c.Class.Observed, Ending: "open", Pending: c.PendingTransactions,
		Messages: c.Messages, Keepalives: c.Keepalives,
	}
	s.Keepalives.IntervalSeconds = nil
	if c.Close != nil {
		s.Pending = c.Close.PendingTransactions
		s.Ending = c.Close.By
		if c.Close.How != nil {
			s.Ending += " " + *c.Close.How
		}
	}
	return s
}

// expect checks every line of a peer, as seen by the server.
func expect(t *testing.T, who string, lines []ends, n int, want story) {
	t.Helper()
	if len(lines) != n {
		t.Errorf("%s: %d connections, want %d", who, len(lines), n)
	}
	for _, e := range lines {
		if got := storyOf(e.server); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s is\n%+v, want\n%+v", who, e.server.Remote, got, want)
		}
	}
}

func nothing(n report.Negotiated) bool { return n == report.Negotiated{} }

func checkPhone(t *testing.T, lines []ends) {
	t.Helper()
	expect(t, "phone", lines, 1, story{
		Initiator: "remote", Class: "persistent", Ending: "open",
		Messages:   report.Messages{RequestsReceived: 2, ResponsesSent: 2},
		Keepalives: report.Keepalives{PingsReceived: keepPings, PongsSent: keepPings},
	})
	for _, e := range lines {
		n := e.server.Negotiated
		k := n.Keep
		if k == nil || !k.Offered || k.Agreed == nil || !*k.Agreed || k.Seconds == nil || *k.Seconds != 2 ||
			k.Direction != "peer-sends" || k.Scope == nil || *k.Scope != "registration" || k.Until == nil {
			t.Errorf("phone: keep is %+v", k)
		} else if left := k.Until.Sub(*e.server.Opened).Seconds(); left < 3600 || left > 3605 {
			t.Errorf("phone: keep is agreed for %v s, want the registration's 3600", left)
		}
		if o := n.Outbound; o == nil || !o.Offered || !o.Agreed || o.FlowTimerSeconds == nil || *o.FlowTimerSeconds != 2 {
			t.Errorf("phone: outbound is %+v", o)
		}
		if n.Alias != nil || n.Persistent != nil {
			t.Errorf("phone: nobody offered alias or persistent: %+v, %+v", n.Alias, n.Persistent)
		}
		checkIntervals(t, e.server.Keepalives.IntervalSeconds, e.peer.Keepalives.IntervalSeconds)
	}
}

// checkIntervals: a busy host wakes the phone late, but never early, and both
// ends see the same.
func checkIntervals(t *testing.T, server, peer *report.Interval) {
	t.Helper()
	const least, most = 0.8*2 - 0.1, 2 + 1.5
	if server == nil || server.Min < least || server.Max > most || server.Min == server.Max ||
		server.Median < server.Min-0.001 || server.Median > server.Max {
		t.Errorf("phone: intervals of %+v s, want 80 to 100 %% of 2, and spread", server)
	}
	const transit = 0.1
	if server != nil && (peer == nil || math.Abs(server.Min-peer.Min) > transit ||
		math.Abs(server.Median-peer.Median) > transit || math.Abs(server.Max-peer.Max) > transit) {
		t.Errorf("phone: intervals of %+v s at the server and of %+v s at the phone", server, peer)
	}
}

func checkHasty(t *testing.T, lines []ends) {
	t.Helper()
	expect(t, "gateway", lines, hastyConnections, story{
		Initiator: "remote", Class: "unidirectional-ephemeral", Ending: "remote fin",
		Messages: report.Messages{RequestsReceived: 1, ResponsesSent: 1},
	})
	for _, e := range lines {
		if idle := e.server.Close.IdleSeconds; idle == nil || *idle > 1.5 {
			t.Errorf("gateway: closed after a silence of %v, not at once", deref(idle))
		}
		if !nothing(e.server.Negotiated) {
			t.Errorf("gateway: negotiated %+v", e.server.Negotiated)
		}
	}
}

func checkSwamp(t *testing.T, lines []ends) {
	t.Helper()
	expect(t, "alarm", lines, swampConnections, story{
		Initiator: "remote", Class: "unidirectional-ephemeral", Ending: "remote fin",
		Messages: report.Messages{RequestsReceived: 1, ResponsesSent: 1},
	})
	for _, e := range lines {
		if idle := e.server.Close.IdleSeconds; idle == nil || *idle < 2 || *idle > 3.5 {
			t.Errorf("alarm: closed after a silence of %v, want 2 s", deref(idle))
		}
		if !nothing(e.server.Negotiated) {
			t.Errorf("alarm: negotiated %+v", e.server.Negotiated)
		}
	}
}

func checkBackward(t *testing.T, lines []ends) {
	t.Helper()
	expect(t, "partner", lines, 1, story{
		Initiator: "local", Class: "bidirectional-ephemeral", Ending: "open",
		Messages: report.Messages{
			RequestsSent: backwardRounds, RequestsReceived: backwardRounds,
			ResponsesSent: backwardRounds, ResponsesReceived: backwardRounds,
		},
	})
	for _, e := range lines {
		if !slices.ContainsFunc(e.server.Class.Because, func(s string) bool { return strings.Contains(s, "came back, unagreed") }) {
			t.Errorf("partner: the reasons do not say that nothing was agreed: %q", e.server.Class.Because)
		}
		if !nothing(e.server.Negotiated) {
			t.Errorf("partner: negotiated %+v", e.server.Negotiated)
		}
	}
}

func checkReset(t *testing.T, lines []ends) {
	t.Helper()
	expect(t, "trunk", lines, resetConnections, story{
		Initiator: "remote", Class: "unidirectional-ephemeral", Ending: "remote rst", Pending: 1,
		Messages: report.Messages{RequestsReceived: 1, ResponsesSent: 1},
	})
}

// mirrored checks what both ends must agree on.
func mirrored(t *testing.T, e ends) {
	t.Helper()
	want := storyOf(e.server)
	want.Initiator = otherSide(want.Initiator)
	by, how, _ := strings.Cut(want.Ending, " ")
	want.Ending = strings.TrimSpace(otherSide(by) + " " + how)
	m, k := e.server.Messages, e.server.Keepalives
	want.Messages.RequestsSent, want.Messages.RequestsReceived = m.RequestsReceived, m.RequestsSent
	want.Messages.ResponsesSent, want.Messages.ResponsesReceived = m.ResponsesReceived, m.ResponsesSent
	want.Keepalives.PingsSent, want.Keepalives.PingsReceived = k.PingsReceived, k.PingsSent
	want.Keepalives.PongsSent, want.Keepalives.PongsReceived = k.PongsReceived, k.PongsSent
	if got := storyOf(e.peer); !reflect.DeepEqual(got, want) {
		t.Errorf("%s from the peer's end is\n%+v, want\n%+v", e.server.Remote, got, want)
	}
	if e.server.BytesSent != e.peer.BytesReceived || e.server.BytesReceived != e.peer.BytesSent {
		t.Errorf("%s: bytes %d and %d sent, %d and %d received", e.server.Remote,
			e.server.BytesSent, e.peer.BytesSent, e.server.BytesReceived, e.peer.BytesReceived)
	}
	for _, c := range []*report.Connection{e.server, e.peer} {
		if c.Transport != "tcp" || c.Opened == nil || c.HandshakeSeconds == nil || c.Incomplete {
			t.Errorf("%s to %s: transport %s, opened %v, handshake %v, incomplete %v",
				c.Local, c.Remote, c.Transport, c.Opened, deref(c.HandshakeSeconds), c.Incomplete)
		}
		if c.Process == nil || int(c.Process.PID) != os.Getpid() {
			t.Errorf("%s to %s: process %+v, want this one", c.Local, c.Remote, c.Process)
		}
	}
}

func otherSide(side string) string {
	switch side {
	case "local":
		return "remote"
	case "remote":
		return "local"
	}
	return side
}

// checkPeers compares what is added up per peer, of the server's end.
func checkPeers(t *testing.T, r *report.Report, server netip.Addr) {
	t.Helper()
	want := map[string]report.Peer{}
	a := server
	for _, p := range []report.Peer{
		{ConnectionsOpened: 1, ConnectionsReused: 1, Requests: 2, RequestsReused: 1, RequestsPerConnection: 2},
		{ConnectionsOpened: hastyConnections, Requests: hastyConnections, RequestsPerConnection: 1},
		{ConnectionsOpened: swampConnections, Requests: swampConnections, RequestsPerConnection: 1},
		{ConnectionsOpened: 1, ConnectionsReused: 1, Requests: 2 * backwardRounds, RequestsReused: 2*backwardRounds - 1, RequestsPerConnection: 2 * backwardRounds},
		{ConnectionsOpened: resetConnections, Requests: resetConnections, RequestsPerConnection: 1},
	} {
		a = a.Next()
		p.Name, p.Address = "other", a.String()
		want[p.Address] = p
	}
	swamp := server.Next().Next().Next().String()
	for _, p := range r.Peers {
		if p.Address == server.String() {
			continue // the server, to its peers
		}
		if p.HandshakeSecondsSpent <= 0 {
			t.Errorf("%s: handshakes took no time", p.Address)
		}
		idle := p.IdleTimeoutSecondsInferred
		if p.Address == swamp && (idle == nil || *idle < 2 || *idle > 3.5) {
			t.Errorf("alarm: an idle timeout of %v s is inferred, want 2", deref(idle))
		} else if p.Address != swamp && idle != nil {
			t.Errorf("%s: an idle timeout of %v s is inferred from nothing", p.Address, *idle)
		}
		if p.Requests == p.ConnectionsOpened && p.AvoidableHandshakes != p.ConnectionsOpened-1 {
			t.Errorf("%s: %d handshakes could have been avoided of %d", p.Address, p.AvoidableHandshakes, p.ConnectionsOpened)
		}
		p.HandshakeSecondsSpent, p.IdleTimeoutSecondsInferred, p.IdleTimeoutCloses = 0, nil, 0
		p.AvoidableHandshakes, p.AvoidableSeconds, p.Keepalives = 0, 0, nil
		if p != want[p.Address] {
			t.Errorf("%s is\n%+v, want\n%+v", p.Address, p, want[p.Address])
		}
		delete(want, p.Address)
	}
	for address := range want {
		t.Errorf("%s is missing among the peers", address)
	}
}

func deref(f *float64) any {
	if f == nil {
		return nil
	}
	return *f
}
