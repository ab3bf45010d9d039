// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// watch is a running observation, with a filter for what a test made itself.
type watch struct {
	*live.Watch
	t    *testing.T
	mine func(*report.Connection) bool
	stop func()
	last *report.Report // of this test's connections
}

// startWatch watches until the test ends, and sees the connections of l only.
func startWatch(t *testing.T, l *link, o live.Options) *watch {
	t.Helper()
	w := openWatch(t, o, l.owns)
	w.run()
	return w
}

func (l *link) owns(c *report.Connection) bool {
	a, err := netip.ParseAddrPort(c.Local)
	return err == nil && (l.a.has(a.Addr()) || l.b.has(a.Addr()))
}

// openWatch has the probes attached, and reads nothing before run is called.
func openWatch(t *testing.T, o live.Options, mine func(*report.Connection) bool) *watch {
	t.Helper()
	testutil.RequireRoot(t)
	inner, err := live.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{Watch: inner, t: t, mine: mine, stop: func() {}}
	t.Cleanup(func() {
		w.stop()
		if err := inner.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() && w.last != nil {
			var b bytes.Buffer
			w.last.WriteJSON(&b)
			t.Logf("last report:\n%s", &b)
		}
	})
	return w
}

func (w *watch) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
}

// report is that of now, with the test's own connections.
func (w *watch) report() *report.Report {
	w.last = report.Only(w.Report(), w.mine)
	return w.last
}

// until polls the report for what check wants to see.
func (w *watch) until(check func(*report.Report) (wrong string)) {
	w.t.Helper()
	until(w.t, func() string { return check(w.report()) })
}

// finally waits for check to be content, ends the observation, and wants it to
// be content still: what is seen twice comes late.
func (w *watch) finally(check func(*report.Report) (wrong string)) *report.Report {
	w.t.Helper()
	w.until(check)
	w.stop()
	if err := w.Finish(); err != nil {
		w.t.Fatal(err)
	}
	if wrong := check(w.report()); wrong != "" {
		w.t.Fatalf("at the end: %s", wrong)
	}
	return w.last
}

// facts are what a report says of one connection that a test knows beforehand.
type facts struct {
	Transport           string
	Process             string // name/pid
	Initiator           string
	HandshakeMeasured   bool
	By, How             string // "" while it is open, and "none" for an end of no kind
	Pending             int
	Class               string
	RequestsOut         uint32
	RequestsIn          uint32
	ResponsesOut        uint32
	ResponsesIn         uint32
	PingsOut, PingsIn   uint32
	PongsOut, PongsIn   uint32
	BytesOut, BytesIn   uint64
	OpenedKnown, Closed bool
	Trouble             string // what must not be: malformed, retransmitted, incomplete
}

func factsOf(c *report.Connection) facts {
	m, k := c.Messages, c.Keepalives
	f := facts{
		Transport: c.Transport, Initiator: c.Initiator, HandshakeMeasured: c.HandshakeSeconds != nil && *c.HandshakeSeconds > 0,
		Pending: c.PendingTransactions, Class: c.Class.Observed,
		RequestsOut: m.RequestsSent, RequestsIn: m.RequestsReceived, ResponsesOut: m.ResponsesSent, ResponsesIn: m.ResponsesReceived,
		PingsOut: k.PingsSent, PingsIn: k.PingsReceived, PongsOut: k.PongsSent, PongsIn: k.PongsReceived,
		BytesOut: c.BytesSent, BytesIn: c.BytesReceived, OpenedKnown: c.Opened != nil, Closed: c.Closed != nil,
	}
	if c.Process != nil {
		f.Process = fmt.Sprintf("%s/%d", c.Process.Name, c.Process.PID)
	}
	if c.Close != nil {
		f.By, f.How, f.Pending = c.Close.By, "none", c.Close.PendingTransactions
		if c.Close.How != nil {
			f.How = *c.Close.How
		}
	}
	if m.Malformed != 0 || m.Retransmissions != 0 || c.Incomplete || c.LostBytes != 0 {
		f.Trouble = fmt.Sprintf("malformed %d, retransmissions %d, incomplete %v, lost bytes %d", m.Malformed, m.Retransmissions, c.Incomplete, c.LostBytes)
	}
	return f
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// differs says what of got is not as wanted, one field a line.
func (want facts) differs(got facts) string {
	if want == got {
		return ""
	}
	var w, g map[string]any
	json.Unmarshal([]byte(text(want)), &w)
	json.Unmarshal([]byte(text(got)), &g)
	var lines []string
	for name := range w {
		if w[name] != g[name] {
			lines = append(lines, fmt.Sprintf("%s is %v, want %v", name, g[name], w[name]))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

// mirrored is what the other end of the same connection reports: all but the
// process and what each end measures for itself.
func (want facts) mirrored(process string) facts {
	f := want
	f.Process = process
	f.Initiator, f.By = opposite[f.Initiator], opposite[f.By]
	f.RequestsOut, f.RequestsIn = f.RequestsIn, f.RequestsOut
	f.ResponsesOut, f.ResponsesIn = f.ResponsesIn, f.ResponsesOut
	f.PingsOut, f.PingsIn = f.PingsIn, f.PingsOut
	f.PongsOut, f.PongsIn = f.PongsIn, f.PongsOut
	f.BytesOut, f.BytesIn = f.BytesIn, f.BytesOut
	return f
}

var opposite = map[string]string{"local": "remote", "remote": "local", "unknown": "unknown", "": ""}

// find returns the connections from local to remote; a port of 0 and a zero
// address match any.
func find(r *report.Report, transport string, local, remote netip.AddrPort) []*report.Connection {
	var all []*report.Connection
	for i := range r.Connections {
		c := &r.Connections[i]
		if c.Transport == transport && matches(c.Local, local) && matches(c.Remote, remote) {
			all = append(all, c)
		}
	}
	return all
}

func matches(have string, want netip.AddrPort) bool {
	a, err := netip.ParseAddrPort(have)
	return err == nil && (!want.Addr().IsValid() || a.Addr() == want.Addr()) && (want.Port() == 0 || a.Port() == want.Port())
}

// each wants n connections from local to remote, all of them as said.
func each(r *report.Report, n int, transport string, local, remote netip.AddrPort, want facts) string {
	found := find(r, transport, local, remote)
	if len(found) != n {
		return fmt.Sprintf("%d %s connections from %s to %s, want %d", len(found), transport, local, remote, n)
	}
	for _, c := range found {
		if wrong := want.differs(factsOf(c)); wrong != "" {
			return fmt.Sprintf("%s %s to %s: %s", c.Transport, c.Local, c.Remote, wrong)
		}
	}
	return ""
}

// all returns the first complaint.
func all(wrongs ...string) string {
	for _, wrong := range wrongs {
		if wrong != "" {
			return wrong
		}
	}
	return ""
}
