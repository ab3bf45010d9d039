// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/live"
)

// ends are the two of one connection within the test.
type ends struct{ client, server *reader }

// ask sends a request over c and reads it at s; answer is the way back.
func ask(t *testing.T, c, s *reader) {
	t.Helper()
	write(t, c.conn, request("OPTIONS", "TCP", c.conn.LocalAddr()))
	s.must(t, 1)
}

func answer(t *testing.T, s, c *reader) {
	t.Helper()
	write(t, s.conn, reply(s.latest, "200 OK"))
	c.must(t, 1)
}

func reset(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func shut(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// endings are the ways in which a connection ends, and what its client reports.
var endings = []struct {
	name string
	play func(t *testing.T, e ends)
	want facts
}{
	{"client closes", func(t *testing.T, e ends) {
		ask(t, e.client, e.server)
		answer(t, e.server, e.client)
		e.client.conn.Close()
		e.server.eof(t)
		e.server.conn.Close()
	}, facts{By: "local", How: "fin", RequestsOut: 1, ResponsesIn: 1}},
	{"server closes", func(t *testing.T, e ends) {
		ask(t, e.client, e.server)
		answer(t, e.server, e.client)
		e.server.conn.Close()
		e.client.eof(t)
		e.client.conn.Close()
	}, facts{By: "remote", How: "fin", RequestsOut: 1, ResponsesIn: 1}},
	{"client half-closes and is answered", func(t *testing.T, e ends) {
		ask(t, e.client, e.server)
		shut(t, e.client.conn)
		e.server.eof(t)
		answer(t, e.server, e.client)
		e.server.conn.Close()
		e.client.eof(t)
		e.client.conn.Close()
	}, facts{By: "local", How: "fin", Pending: 1, RequestsOut: 1, ResponsesIn: 1}},
	{"server half-closes and is asked on", func(t *testing.T, e ends) {
		ask(t, e.client, e.server)
		answer(t, e.server, e.client)
		shut(t, e.server.conn)
		e.client.eof(t)
		ask(t, e.client, e.server)
		ask(t, e.client, e.server)
		e.client.conn.Close()
		e.server.eof(t)
		e.server.conn.Close()
	}, facts{By: "remote", How: "fin", RequestsOut: 3, ResponsesIn: 1}},
	{"client resets", func(t *testing.T, e ends) {
		ask(t, e.client, e.server)
		answer(t, e.server, e.client)
		reset(t, e.client.conn)
		e.server.broken(t)
	}, facts{By: "local", How: "rst", RequestsOut: 1, ResponsesIn: 1}},
	{"server resets", func(t *testing.T, e ends) {
		ask(t, e.client, e.server)
		answer(t, e.server, e.client)
		reset(t, e.server.conn)
		e.client.broken(t)
	}, facts{By: "remote", How: "rst", RequestsOut: 1, ResponsesIn: 1}},
	{"client resets in mid-transaction", func(t *testing.T, e ends) {
		ask(t, e.client, e.server)
		ask(t, e.client, e.server)
		reset(t, e.client.conn)
		e.server.broken(t)
	}, facts{By: "local", How: "rst", Pending: 2, RequestsOut: 2}},
	{"server resets in mid-transaction", func(t *testing.T, e ends) {
		ask(t, e.client, e.server)
		reset(t, e.server.conn)
		e.client.broken(t)
	}, facts{By: "remote", How: "rst", Pending: 1, RequestsOut: 1}},
	{"nothing was said", func(t *testing.T, e ends) {
		e.client.conn.Close()
		e.server.eof(t)
		e.server.conn.Close()
	}, facts{By: "local", How: "fin", Class: "undetermined"}},
}

// broken reads until the peer's reset shows.
func (r *reader) broken(t *testing.T) {
	t.Helper()
	r.conn.SetReadDeadline(time.Now().Add(patience))
	if m, err := r.message(); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read from %s: %q and %v, want a reset", r.conn.RemoteAddr(), m, err)
	}
	r.conn.Close()
}

// TestEndings compares what both ends report of each way to end.
func TestEndings(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		t.Run(family(ipv6), func(t *testing.T) {
			l := newLink(t)
			w := startWatch(t, l, live.Options{})
			server := at(l.b.addr(ipv6), 5060)
			listener := l.b.listen(t, server)
			played := make([]ends, len(endings))
			for i, tt := range endings {
				c := l.a.dial(t, netip.AddrPort{}, server)
				played[i] = ends{&reader{conn: c}, &reader{conn: accept(t, listener)}}
				tt.play(t, played[i])
			}
			w.finally(func(r *report.Report) string {
				for i, tt := range endings {
					want := tt.want
					want.Transport, want.Process, want.Initiator = "tcp", own(), "local"
					want.HandshakeMeasured, want.OpenedKnown, want.Closed = true, true, true
					if want.Class == "" {
						want.Class = "unidirectional-ephemeral"
					}
					want.BytesOut, want.BytesIn = uint64(played[i].server.bytes), uint64(played[i].client.bytes)
					mine := addrOf(played[i].client.conn.LocalAddr())
					if wrong := all(each(r, 1, "tcp", mine, server, want), each(r, 1, "tcp", server, mine, want.mirrored(own()))); wrong != "" {
						return tt.name + ": " + wrong
					}
				}
				return ""
			})
		})
	}
}

// TestFailedConnects: what the kernel answered, or did not, is what is reported.
func TestFailedConnects(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		t.Run(family(ipv6), func(t *testing.T) {
			l := newLink(t)
			w := startWatch(t, l, live.Options{Probes: bpf.Options{Ports: []uint16{5060, 5070}}})
			silent, unreachable := l.silent4, l.unreachable4
			if ipv6 {
				silent, unreachable = l.silent6, l.unrch6
			}
			connects := []struct {
				remote  netip.AddrPort
				timeout time.Duration
				by, how string
			}{
				{at(l.b.addr(ipv6), 5060), 0, "remote", "refused"},
				{at(silent, 5060), 0, "unknown", "timeout"},
				{at(silent, 5070), 200 * time.Millisecond, "local", "timeout"}, // given up
				{at(unreachable, 5060), 0, "unknown", "unreachable"},
			}
			for _, c := range connects {
				l.a.do(t, func() {
					if err := tryConnect(c.remote, c.timeout); err == nil {
						t.Fatalf("connected to %s", c.remote)
					}
				})
			}
			r := w.finally(func(r *report.Report) string {
				for _, c := range connects {
					want := facts{Transport: "tcp", Process: own(), Initiator: "local", Closed: true, By: c.by, How: c.how, Class: "undetermined"}
					if wrong := each(r, 1, "tcp", at(l.a.addr(ipv6), 0), c.remote, want); wrong != "" {
						return wrong
					}
				}
				if len(r.Connections) != len(connects) {
					return fmt.Sprintf("%d connections, want %d", len(r.Connections), len(connects))
				}
				return ""
			})
			if p := peerOf(t, r, silent); p.ConnectFailures != 2 || p.ConnectionsOpened != 0 {
				t.Errorf("peer: %s", text(p))
			}
		})
	}
}

// tryConnect connects in vain: with a timeout as Go does, and without one by a
// call that blocks. An ICMP error is final to the latter; to a socket that does
// not block the kernel may only mention it, and forgets it with being asked.
func tryConnect(remote netip.AddrPort, timeout time.Duration) error {
	if timeout > 0 {
		d := net.Dialer{Timeout: timeout}
		conn, err := d.Dial("tcp", remote.String())
		if err == nil {
			conn.Close()
		}
		return err
	}
	var address unix.Sockaddr = &unix.SockaddrInet6{Port: int(remote.Port()), Addr: remote.Addr().As16()}
	domain := unix.AF_INET6
	if remote.Addr().Is4() {
		address, domain = &unix.SockaddrInet4{Port: int(remote.Port()), Addr: remote.Addr().As4()}, unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, address)
}

// TestExiting tells a close that a process meant from one that its end made.
func TestExiting(t *testing.T) {
	l := newLink(t)
	w := startWatch(t, l, live.Options{})
	server := at(l.b.v4, 5060)
	listener := l.b.listen(t, server)
	meant := l.a.dial(t, netip.AddrPort{}, server)
	accept(t, listener)
	meant.Close()
	killed := l.a.start(t, "/bin/bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%d; cat <&3", server.Addr(), server.Port()))
	remote := addrOf(accept(t, listener).RemoteAddr())
	killed.Kill()
	w.finally(func(r *report.Report) string {
		for _, tt := range []struct {
			local, remote netip.AddrPort
			exiting       bool
		}{
			{addrOf(meant.LocalAddr()), server, false},
			{remote, server, true},
			{server, remote, false}, // the other end cannot know
		} {
			found := find(r, "tcp", tt.local, tt.remote)
			if len(found) != 1 || found[0].Close == nil {
				return fmt.Sprintf("%v to %v: %d connections, or not closed", tt.local, tt.remote, len(found))
			}
			if found[0].Close.Exiting != tt.exiting {
				return fmt.Sprintf("%v to %v: exiting is %t", tt.local, tt.remote, found[0].Close.Exiting)
			}
		}
		return ""
	})
}
