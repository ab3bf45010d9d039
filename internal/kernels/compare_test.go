// SPDX-License-Identifier: Apache-2.0

//go:build kernels

package kernels

import (
	"fmt"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
)

// line is what the guest's script decides of a connection in the report.
type line struct {
	Transport, Local, Remote, Initiator string
	Process                             string
	Opened, Handshake                   bool
	Close                               string
	Class                               string
	Messages                            report.Messages
	Keepalives                          report.Keepalives
	Sent, Received, LostBytes           uint64
	Incomplete                          bool
	Plaintext                           string
}

// compare wants two lines for each call, one of either socket, no other line,
// and nothing lost.
func compare(t *testing.T, r *Result) {
	t.Helper()
	if r.Report == nil {
		t.Fatal("the guest sent no report")
	}
	if n := r.Report.Lost.Total(); n != 0 {
		t.Errorf("lost: %+v, want nothing", r.Report.Lost)
	}
	if r.Report.Host.Kernel != r.Release {
		t.Errorf("the report is of kernel %q, want %q", r.Report.Host.Kernel, r.Release)
	}
	if f := r.Report.Features["tls"]; f != "available" {
		t.Errorf("what is inside TLS is %q, want available", f)
	}
	got := make(map[string]line)
	for _, c := range r.Report.Connections {
		if r.Load != nil && (strings.HasPrefix(c.Local, r.Load.Server+":") || strings.HasPrefix(c.Remote, r.Load.Server+":")) {
			continue
		}
		l := lineOf(&c)
		if _, twice := got[l.key()]; twice {
			t.Errorf("%s is there twice", l.key())
		}
		got[l.key()] = l
	}
	if len(r.Calls) == 0 {
		t.Error("no calls were played")
	}
	for _, call := range r.Calls {
		for _, want := range wanted(call) {
			if got[want.key()] != want && !call.Scout {
				t.Errorf("reported\n%+v, want\n%+v", got[want.key()], want)
			}
			delete(got, want.key())
		}
	}
	for _, l := range got {
		t.Errorf("nobody made this connection: %+v", l)
	}
	if r.Load != nil {
		compareLoad(t, r.Report, r.Load)
	}
}

// compareLoad wants to see each message of a load once, at both ends.
func compareLoad(t *testing.T, r *report.Report, load *Load) {
	t.Helper()
	ends := make(map[string]int)
	for _, c := range r.Connections {
		m, client := c.Messages, strings.HasPrefix(c.Remote, load.Server+":")
		if !client && !strings.HasPrefix(c.Local, load.Server+":") || m == (report.Messages{}) {
			continue // another's, or the connection that is there to be probed
		}
		want := report.Messages{RequestsReceived: load.Each, ResponsesSent: load.Each}
		if client {
			want = report.Messages{RequestsSent: load.Each, ResponsesReceived: load.Each}
		}
		if l := lineOf(&c); m != want || l.Plaintext != "seen" || l.Incomplete || c.Process == nil || c.Process.Name != "tlspeer" {
			t.Errorf("of the load: %+v, want %+v", l, want)
		}
		ends[c.Initiator]++
	}
	if ends["local"] != load.Connections || ends["remote"] != load.Connections {
		t.Errorf("of the load: %v, want %d at each end", ends, load.Connections)
	}
}

func (l line) key() string { return l.Transport + " " + l.Local + " " + l.Remote }

// wanted returns the caller's line and the called side's.
func wanted(call Call) [2]line {
	caller := line{
		Transport: call.Network, Local: call.Caller, Remote: call.Called, Initiator: "local",
		Process: "1 init",
		Opened:  true, Handshake: call.Network != "udp",
		Close:    "fin by local, 0 pending",
		Class:    "unidirectional-ephemeral",
		Messages: report.Messages{RequestsSent: 3, ResponsesReceived: 2},
		Sent:     uint64(call.FromCaller), Received: uint64(call.FromCalled),
	}
	called := caller
	called.Local, called.Remote, called.Initiator = call.Called, call.Caller, "remote"
	called.Close = "fin by remote, 0 pending"
	called.Messages = report.Messages{RequestsReceived: 3, ResponsesSent: 2}
	called.Sent, called.Received = caller.Received, caller.Sent
	if call.Network == "tls" {
		caller.Plaintext, called.Plaintext = "seen", "seen"
	}
	if call.Network != "udp" {
		caller.Keepalives = report.Keepalives{PingsSent: 1, PongsReceived: 1}
		called.Keepalives = report.Keepalives{PingsReceived: 1, PongsSent: 1}
	} else { // nothing tells of the end of a UDP socket; a recount may find it
		caller.Close, called.Close = "", ""
	}
	both := [2]line{caller, called}
	for i := range both {
		if call.Older {
			both[i].Opened, both[i].Handshake = false, false
			both[i].Initiator, both[i].Class = "unknown", "undetermined"
		}
	}
	return both
}

func lineOf(c *report.Connection) line {
	l := line{
		Transport: c.Transport, Local: c.Local, Remote: c.Remote, Initiator: c.Initiator,
		Opened: c.Opened != nil, Handshake: c.HandshakeSeconds != nil && *c.HandshakeSeconds > 0,
		Class: c.Class.Observed, Messages: c.Messages, Keepalives: c.Keepalives,
		Sent: c.BytesSent, Received: c.BytesReceived, LostBytes: c.LostBytes, Incomplete: c.Incomplete,
	}
	if p := c.Process; p != nil {
		l.Process = fmt.Sprint(p.PID, " ", p.Name)
	}
	if c.TLS != nil {
		l.Plaintext = c.TLS.Plaintext
	}
	if c.Close != nil && c.Closed != nil {
		how := "null"
		if c.Close.How != nil {
			how = *c.Close.How
		}
		l.Close = fmt.Sprintf("%s by %s, %d pending", how, c.Close.By, c.Close.PendingTransactions)
	}
	if l.Transport == "udp" && l.Close == "null by local, 0 pending" {
		l.Close = "" // found by a recount
	}
	return l
}
