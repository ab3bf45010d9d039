// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// What the scripts of the demo do, from the server's end.
const (
	hastyConnections = 12
	swampConnections = 200
	resetConnections = 3
	keepPings        = 4
	backwardRounds   = 4
)

// runDemo returns the report and what went to standard error.
func runDemo(ctx context.Context, t *testing.T, args ...string) (*report.Report, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(environment{ctx: ctx, stdout: &stdout, stderr: &stderr}, append([]string{"demo", "--format", "json"}, args...))
	if code != exitFine {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	var r report.Report
	strict := json.NewDecoder(&stdout)
	strict.DisallowUnknownFields()
	if err := strict.Decode(&r); err != nil {
		t.Fatalf("standard output: %v", err)
	}
	if strict.More() {
		t.Error("standard output holds more than the report")
	}
	return &r, stderr.String()
}

// ends is a connection as its two ends see it.
type ends struct{ server, peer *report.Connection }

// byPeer sorts the report's lines by the peer's address.
func byPeer(t *testing.T, r *report.Report, server netip.Addr) map[string][]ends {
	t.Helper()
	peers := make(map[[2]string]*report.Connection)
	for i := range r.Connections {
		c := &r.Connections[i]
		if address(t, c.Remote) == server {
			peers[[2]string{c.Remote, c.Local}] = c
		}
	}
	all := make(map[string][]ends)
	lines := 0
	for i := range r.Connections {
		c := &r.Connections[i]
		if address(t, c.Local) != server {
			continue
		}
		lines++
		peer := peers[[2]string{c.Local, c.Remote}]
		if peer == nil {
			t.Errorf("%s: the peer's end is missing", c.Remote)
			continue
		}
		lines++
		to := address(t, c.Remote).String()
		all[to] = append(all[to], ends{c, peer})
	}
	if lines != len(r.Connections) {
		t.Errorf("%d lines, of which %d belong together", len(r.Connections), lines)
	}
	return all
}

func address(t *testing.T, s string) netip.Addr {
	t.Helper()
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		t.Fatal(err)
	}
	return a.Addr()
}

func TestDemo(t *testing.T) {
	testutil.RequireRoot(t)
	stranger := chatter(t)
	began := time.Now()
	r, stderr := runDemo(t.Context(), t, "--both-ends")
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
	defer func() {
		if t.Failed() {
			t.Logf("lost, of all on this host: %+v", r.Lost)
		}
	}()
	server := legendServer(t, stderr)
	all := byPeer(t, r, server.Addr())
	if len(all) != 5 {
		t.Errorf("%d peers, want 5", len(all))
	}
	if all[stranger.String()] != nil {
		t.Error("somebody else's connection is in the report")
	}
	for _, lines := range all {
		for _, e := range lines {
			mirrored(t, e)
		}
	}
	a := server.Addr()
	next := func() []ends { a = a.Next(); return all[a.String()] }
	checkPhone(t, next())
	checkHasty(t, next())
	checkSwamp(t, next())
	checkBackward(t, next())
	checkReset(t, next())
	checkPeers(t, r, server.Addr())
}

// legendServer reads the server's address out of the legend, and checks that
// it is one: within 80 columns, nothing of a progress line.
func legendServer(t *testing.T, stderr string) netip.AddrPort {
	t.Helper()
	if strings.ContainsAny(stderr, "\r\033") || !strings.HasSuffix(stderr, "\n\n") {
		t.Errorf("more than the legend on standard error:\n%s", stderr)
	}
	for line := range strings.Lines(stderr) {
		if len(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("longer than 80 columns: %q", line)
		}
	}
	_, rest, _ := strings.Cut(stderr, "server, ")
	server, _, _ := strings.Cut(rest, ",")
	a, err := netip.ParseAddrPort(server)
	if err != nil {
		t.Fatalf("no server in the legend: %v\n%s", err, stderr)
	}
	peer := a.Addr()
	for range 5 {
		peer = peer.Next()
		if !strings.Contains(stderr, "\n"+peer.String()+" ") {
			t.Errorf("%v is not in the legend:\n%s", peer, stderr)
		}
	}
	return a
}

// chatter keeps SIP going between two sockets of this very process that are
// not the demo's, and returns the address of the one who answers.
func chatter(t *testing.T) netip.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.200:0")
	if err != nil {
		t.Fatal(err)
	}
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		buffer := make([]byte, 1<<10)
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			_, err := out.Write([]byte("OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKa\r\nFrom: <sip:a@example.com>;tag=1\r\n" +
				"To: <sip:b@example.com>\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"))
			if err == nil {
				_, err = in.Read(buffer)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		out.Close()
		in.Close()
		l.Close()
	})
	return netip.MustParseAddr("127.0.0.200")
}

func TestDemoInterrupted(t *testing.T) {
	testutil.RequireRoot(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	began := time.Now()
	r, stderr := runDemo(ctx, t)
	if d := time.Since(began); d > 8*time.Second {
		t.Errorf("took %v to stop after 3 s", d)
	}
	server := legendServer(t, stderr)
	phone := server.Addr().Next()
	seen := false
	for i := range r.Connections {
		c := &r.Connections[i]
		if address(t, c.Local) != server.Addr() {
			t.Errorf("%s: not the server's end, and nobody asked for the other", c.Local)
		}
		if address(t, c.Remote) == phone {
			seen = true
			if c.Closed != nil || c.Negotiated.Keep == nil {
				t.Errorf("the phone's connection: closed %v, keep %v", c.Closed, c.Negotiated.Keep)
			}
		}
	}
	if n := len(r.Connections); !seen || n >= hastyConnections+swampConnections {
		t.Errorf("the phone was seen: %v; %d connections, as if nothing had been interrupted", seen, n)
	}
	for _, p := range r.Peers {
		if p.IdleTimeoutSecondsInferred != nil {
			t.Errorf("%s: an idle timeout of %v s is inferred from nothing", p.Address, *p.IdleTimeoutSecondsInferred)
		}
	}
}
