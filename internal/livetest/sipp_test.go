// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
)

const sippCalls = 12

// TestSipp has sipp call sipp: 12 calls of INVITE, ACK and BYE, answered with
// 180, 200 and 200. What both ends report is compared with that, and with the
// bytes that sipp itself has logged.
func TestSipp(t *testing.T) {
	for _, transport := range []struct {
		flag, name string
		each       bool // a connection for each call
	}{
		{"t1", "tcp", false},
		{"tn", "tcp", true},
		{"u1", "udp", false},
		{"un", "udp", true},
	} {
		for _, ipv6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s-%s", transport.flag, family(ipv6)), func(t *testing.T) {
				testSipp(t, transport.flag, transport.name, transport.each, ipv6)
			})
		}
	}
}

func family(ipv6 bool) string {
	if ipv6 {
		return "ipv6"
	}
	return "ipv4"
}

func testSipp(t *testing.T, flag, transport string, eachCall, ipv6 bool) {
	l := newLink(t)
	w := startWatch(t, l, live.Options{})
	server := at(l.b.addr(ipv6), 5060)
	uas := l.b.sipp(t, flag[:1]+"1", server, "-sn", "uas")
	l.b.bound(t, transport, 5060)
	uac := l.a.sipp(t, flag, at(l.a.addr(ipv6), 5062), "-sn", "uac", "-m", strconv.Itoa(sippCalls), "-r", "40", server.String())
	uac.succeed(t)

	n, calls := 1, uint32(sippCalls)
	if eachCall {
		n, calls = sippCalls, 1
	}
	want := facts{
		Transport: transport, Process: uac.label(), Initiator: "local", OpenedKnown: true,
		RequestsOut: 3 * calls, ResponsesIn: 3 * calls, Class: "unidirectional-ephemeral",
	}
	if transport == "tcp" {
		want.HandshakeMeasured, want.Closed, want.By, want.How = true, true, "local", "fin"
	}
	caller, callee := netip.AddrPortFrom(l.a.addr(ipv6), 0), netip.AddrPortFrom(l.b.addr(ipv6), 5060)
	r := w.finally(func(r *report.Report) string {
		mine, theirs := find(r, transport, caller, callee), find(r, transport, callee, caller)
		if len(mine) != n || len(theirs) != n {
			return fmt.Sprintf("%d and %d connections, want %d each", len(mine), len(theirs), n)
		}
		sums := facts{}
		for _, c := range mine {
			got := factsOf(c)
			sums.BytesOut, sums.BytesIn = sums.BytesOut+got.BytesOut, sums.BytesIn+got.BytesIn
			want.BytesOut, want.BytesIn = got.BytesOut, got.BytesIn
			if transport == "udp" { // its end shows with the next recount only
				got.By, got.How, got.Closed = "", "", false
			}
			back := find(r, transport, callee, netip.MustParseAddrPort(c.Local))
			if len(back) != 1 {
				return fmt.Sprintf("%d connections back to %s", len(back), c.Local)
			}
			if wrong := want.differs(got); wrong != "" {
				return fmt.Sprintf("caller's %s: %s", c.Local, wrong)
			}
			if wrong := want.mirrored(uas.label()).differs(factsOf(back[0])); wrong != "" {
				return fmt.Sprintf("callee's from %s: %s", c.Local, wrong)
			}
		}
		// The caller does not log what it sends while it connects.
		if in, out := uas.logged(t); sums.BytesOut != out || sums.BytesIn != in || in == 0 || out == 0 {
			return fmt.Sprintf("%d bytes sent and %d received, sipp says %d and %d", sums.BytesOut, sums.BytesIn, out, in)
		}
		return ""
	})
	for _, c := range find(r, "udp", caller, callee) {
		if c.Close == nil || c.Close.By != "local" || c.Close.How != nil {
			t.Errorf("UDP flow of %s, whose socket is closed: close is %s", c.Local, text(c.Close))
		}
	}
	peer := peerOf(t, r, callee.Addr())
	if peer.ConnectionsOpened != uint64(n) || peer.Requests != 2*sippCalls || peer.RequestsReused != uint64(2*sippCalls-n) || peer.ConnectFailures != 0 {
		t.Errorf("peer: %s", text(peer))
	}
	if (peer.HandshakeSecondsSpent > 0) != (transport == "tcp") {
		t.Errorf("peer: handshakes took %v s", peer.HandshakeSecondsSpent)
	}
}

// sipp runs sipp without retransmissions, which a slow machine would cause, and
// with a log of all its messages.
func (n *namespace) sipp(t *testing.T, flag string, local netip.AddrPort, args ...string) *process {
	return n.start(t, "sipp", append([]string{
		"-t", flag, "-i", local.Addr().String(), "-p", strconv.Itoa(int(local.Port())),
		"-nr", "-nostdin", "-max_socket", "1000", "-timeout", "50", "-timeout_error",
		"-trace_msg", "-message_file", "messages.log", "-message_overwrite", "false",
	}, args...)...)
}

var loggedMessage = regexp.MustCompile(`message (sent|received) [(\[](\d+)(?: bytes)?[)\]]`)

// logged adds up the bytes that sipp says it has sent and received.
func (p *process) logged(t *testing.T) (sent, received uint64) {
	log, err := os.ReadFile(filepath.Join(p.Dir, "messages.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range loggedMessage.FindAllSubmatch(log, -1) {
		n, err := strconv.ParseUint(string(m[2]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if string(m[1]) == "sent" {
			sent += n
		} else {
			received += n
		}
	}
	return sent, received
}

func peerOf(t *testing.T, r *report.Report, addr netip.Addr) report.Peer {
	t.Helper()
	for _, p := range r.Peers {
		if p.Address == addr.String() {
			return p
		}
	}
	t.Fatalf("the report knows no peer %s", addr)
	return report.Peer{}
}
