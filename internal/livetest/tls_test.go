// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/testutil"
	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

// tlsServer starts a server on libssl at n, port 5061.
func (n *namespace) tlsServer(t *testing.T, switches ...string) *process {
	t.Helper()
	certificate, key := tlspeer.Certificate(t)
	p := n.start(t, tlspeer.Build(t), append([]string{"server", n.v4.String(), "5061", certificate, key}, switches...)...)
	n.bound(t, "tcp", 5061)
	return p
}

// tlsClient starts a client of a server at port 5061 of n's other end.
func (n *namespace) tlsClient(t *testing.T, to *namespace, port int, switches ...string) *process {
	t.Helper()
	return n.start(t, tlspeer.Build(t), append([]string{"client", to.v4.String(), strconv.Itoa(port)}, switches...)...)
}

// converse has a client say what it has to say once so many processes are probed,
// it among them: its first connection is there to have it found.
func (n *namespace) converse(t *testing.T, w *watch, processes int, to *namespace, port int, switches ...string) {
	t.Helper()
	cmd := exec.Command(tlspeer.Build(t), append([]string{"client", to.v4.String(), strconv.Itoa(port), "begin=1"}, switches...)...)
	begin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	client := &process{testutil.Start(t, n.name, cmd)}
	w.probed(processes)
	begin.Close()
	client.ended(t)
}

// watchPeers watches l, and sees connections of the peers of these tests only:
// other tests of this host have the same addresses.
func watchPeers(t *testing.T, l *link, o live.Options) *watch {
	t.Helper()
	w := openWatch(t, o, func(c *report.Connection) bool {
		return l.owns(c) && c.Process != nil && slices.Contains([]string{"tlspeer", "kamailio", "openssl", "python3"}, c.Process.Name) &&
			(strings.HasPrefix(c.Local, l.a.v4.String()+":") && strings.HasPrefix(c.Remote, l.b.v4.String()+":") ||
				strings.HasPrefix(c.Local, l.b.v4.String()+":") && strings.HasPrefix(c.Remote, l.a.v4.String()+":"))
	})
	w.run()
	return w
}

// probed waits until what so many processes hand to their TLS library is seen.
func (w *watch) probed(processes int) {
	w.t.Helper()
	until(w.t, func() string {
		s, err := w.TLS()
		if err != nil {
			return err.Error()
		}
		if s.Followed < processes {
			return fmt.Sprintf("%+v, want %d followed", s, processes)
		}
		return ""
	})
}

// ended waits for a program's end, and wants it to be a good one.
func (p *process) ended(t *testing.T) {
	t.Helper()
	<-p.Done
	if p.Err != nil {
		t.Fatal(p.Err)
	}
}

// workers counts a process's children.
func (p *process) workers(t *testing.T) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		status, _ := os.ReadFile(file) // a process that is gone is no child
		if strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", p.Process.Pid)) {
			n++
		}
	}
	return n
}

// loaded says what is wrong with the report of a load: so many connections, on
// each of which every message of both directions was seen once, at both ends.
func loaded(r *report.Report, connections int, each uint32) (wrong string) {
	seen := make(map[string]int)
	for i := range r.Connections {
		c := &r.Connections[i]
		m := &c.Messages
		if m.RequestsSent+m.RequestsReceived+m.ResponsesSent+m.ResponsesReceived == 0 {
			continue // the first connection, which waits
		}
		f := factsOf(c)
		if f.Trouble != "" || c.Transport != "tls" || c.TLS == nil || c.TLS.Plaintext != "seen" {
			return text(f)
		}
		want := [4]uint32{each, 0, 0, each}
		if c.Initiator == "remote" {
			want = [4]uint32{0, each, each, 0}
		}
		if got := [4]uint32{m.RequestsSent, m.RequestsReceived, m.ResponsesSent, m.ResponsesReceived}; got != want {
			return fmt.Sprintf("%s: %v, want %v", c.Initiator, got, want)
		}
		seen[c.Initiator]++
	}
	if seen["local"] != connections || seen["remote"] != connections {
		return fmt.Sprintf("%v, want %d each", seen, connections)
	}
	return ""
}

// TestTLSThroughKamailio: Kamailio has its sessions in memory that its workers
// share, lets the library write to memory, and hands sockets from process to process.
func TestTLSThroughKamailio(t *testing.T) {
	l := newLink(t)
	w := watchPeers(t, l, live.Options{})
	k := kamailio{idle: 60, workers: 8, tls: true}
	server := k.start(t, l.b)
	// It listens before it forks: 8 for TCP, 2 for each of two UDP sockets, and four
	// for itself.
	const workers = 16
	until(t, func() string {
		if n := server.workers(t); n != workers {
			return fmt.Sprintf("%d processes beside the first, want %d", n, workers)
		}
		return ""
	})
	w.probed(1 + workers)
	const connections, each = 50, 6
	l.a.converse(t, w, 1+workers+1, l.b, 5061, "workers=8", fmt.Sprintf("connections=%d", connections), fmt.Sprintf("messages=%d", each))
	w.finally(func(r *report.Report) string { return loaded(r, connections, each) })
	s, err := w.TLS()
	if err != nil || s.Binding.Conflicting != 0 || s.Binding.UnboundCalls != 0 || s.Binding.Late != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	t.Logf("%+v", s)
}

// TestTLSOlderSessions: sessions that are older than the observation are bound
// with their next message.
func TestTLSOlderSessions(t *testing.T) {
	l := newLink(t)
	l.b.tlsServer(t, "workers=2")
	client := l.a.tlsClient(t, l.b, 5061, "connections=8", "workers=2", "messages=200", "wait=10")
	l.a.connected(t, 5061, 8)
	w := watchPeers(t, l, live.Options{})
	client.ended(t)
	w.finally(func(r *report.Report) string {
		n := 0
		for i := range r.Connections {
			c := &r.Connections[i]
			m := &c.Messages
			all := m.RequestsSent + m.RequestsReceived
			if all == 0 || c.Opened != nil {
				return fmt.Sprintf("%s to %s: %d requests, opened %v", c.Local, c.Remote, all, c.Opened)
			}
			// The first and last request may have been under way.
			if answers := m.ResponsesSent + m.ResponsesReceived; all >= 200 || answers+1 < all || answers > all+1 || m.Malformed != 0 || m.Retransmissions != 0 {
				return fmt.Sprintf("%s to %s: %+v", c.Local, c.Remote, *m)
			}
			n++
		}
		if n != 16 {
			return fmt.Sprintf("%d connections, want 16", n)
		}
		return ""
	})
}

// TestTLSLikeTCP plays one script over both, and wants the same report but for
// what must differ.
func TestTLSLikeTCP(t *testing.T) {
	l := newLink(t)
	w := watchPeers(t, l, live.Options{})
	l.b.tlsServer(t, "workers=1")
	l.b.start(t, tlspeer.Build(t), "server", l.b.v4.String(), "5060", os.DevNull, os.DevNull, "plain=1")
	l.b.bound(t, "tcp", 5060)
	w.probed(1)
	over := func(port, processes int, switches ...string) string {
		l.a.converse(t, w, processes, l.b, port, append([]string{"script=1"}, switches...)...)
		var lines string
		w.until(func(r *report.Report) string {
			var n int
			lines, n = comparable(r, uint16(port))
			if n != 2 {
				return fmt.Sprintf("%d ends of the script's connection: %s", n, lines)
			}
			return ""
		})
		return lines
	}
	tcp, tls := over(5060, 1, "plain=1"), over(5061, 2)
	if tcp != tls {
		t.Errorf("over TCP\n%s\nover TLS\n%s", tcp, tls)
	}
	if !strings.Contains(tcp, `"pings_sent":3`) || !strings.Contains(tcp, `"pongs_received":3`) || !strings.Contains(tcp, `"requests_received":3`) {
		t.Errorf("the script was not seen: %s", tcp)
	}
}

// comparable returns the ended connections of a port with messages, and their
// findings, without what differs between two runs or between TCP and TLS.
func comparable(r *report.Report, port uint16) (lines string, n int) {
	var all []string
	for _, c := range r.Connections {
		end := fmt.Sprintf(":%d", port)
		if c.Closed == nil || !strings.HasSuffix(c.Local+" "+c.Remote, end) && !strings.HasSuffix(c.Local, end) || c.Messages.RequestsSent+c.Messages.RequestsReceived == 0 {
			continue
		}
		n++
		var found []string
		for _, i := range c.Findings {
			f := r.Findings[i]
			found = append(found, f.Rule+" "+f.Severity+" "+f.Party)
		}
		all = append(all, text(struct {
			Initiator, By, How string
			Class              string
			Negotiated         any
			Messages           report.Messages
			Incomplete         bool
			Findings           []string
		}{
			c.Initiator, c.Close.By, *c.Close.How, c.Class.Observed, c.Negotiated, c.Messages,
			c.Incomplete, found,
		})+text(pulse(&c)))
	}
	return strings.Join(all, "\n"), n
}

func pulse(c *report.Connection) map[string]uint32 {
	k := &c.Keepalives
	return map[string]uint32{
		"pings_sent": k.PingsSent, "pings_received": k.PingsReceived, "pongs_sent": k.PongsSent, "pongs_received": k.PongsReceived,
	}
}

// TestTLSOff: nobody's TLS library is touched, and the report says so.
func TestTLSOff(t *testing.T) {
	l := newLink(t)
	w := watchPeers(t, l, live.Options{NoTLS: true})
	l.b.tlsServer(t)
	l.a.tlsClient(t, l.b, 5061, "messages=3").ended(t)
	w.finally(func(r *report.Report) string {
		n := 0
		for i := range r.Connections {
			c := &r.Connections[i]
			if c.Closed == nil || c.TLS == nil {
				return "open still, or without its handshake"
			}
			if c.TLS.Plaintext != "opaque" || c.TLS.Opaque == nil || *c.TLS.Opaque != "switched off" || c.Messages.RequestsSent+c.Messages.RequestsReceived != 0 {
				t.Fatalf("%s, %+v", c.TLS.Plaintext, c.Messages)
			}
			n++
		}
		if n != 2 {
			return fmt.Sprintf("%d connections, want 2", n)
		}
		return ""
	})
	if s, err := w.TLS(); s.On || err != nil {
		t.Errorf("%+v, %v", s, err)
	}
	var b bytes.Buffer
	if err := w.last.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"tls": "unavailable: switched off`) {
		t.Error("the report does not say that it is switched off")
	}
}
