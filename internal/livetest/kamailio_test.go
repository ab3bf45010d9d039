// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

// kamailio configures a server that answers every request with 200, or, where
// next is given, sends it on to there.
type kamailio struct {
	idle int    // seconds after which it closes an idle connection
	next string // a SIP URI

	workers int  // that serve connections; 3 if 0
	tls     bool // port 5061 too
}

func (k kamailio) start(t *testing.T, n *namespace) *process {
	t.Helper()
	route := `sl_send_reply("200", "OK");`
	if k.next != "" {
		route = fmt.Sprintf(`$du = %q; t_relay();`, k.next)
	}
	secure := ""
	if k.tls {
		certificate, key := tlspeer.Certificate(t)
		secure = fmt.Sprintf(`enable_tls=yes
listen=tls:%s:5061
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", %q)
modparam("tls", "private_key", %q)
`, n.v4, certificate, key)
	}
	config := fmt.Sprintf(`#!KAMAILIO
log_stderror=yes
children=2
tcp_children=%[5]d
tcp_max_connections=4096
tcp_connection_lifetime=%[1]d
tcp_accept_aliases=no
dns=no
rev_dns=no
auto_aliases=no
listen=udp:%[2]s:5060
listen=tcp:%[2]s:5060
listen=udp:[%[3]s]:5060
listen=tcp:[%[3]s]:5060
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
%[6]smodparam("tm", "auto_inv_100", 0)
request_route {
	%[4]s
}
`, k.idle, n.v4, n.v6, route, cmp.Or(k.workers, 3), secure)
	file := filepath.Join(t.TempDir(), "kamailio.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := n.start(t, "kamailio", "-f", file, "-DD", "-E", "-Y", t.TempDir(), "-m", "32", "-M", "8")
	n.bound(t, "tcp", 5060)
	n.bound(t, "udp", 5060)
	if k.tls {
		n.bound(t, "tcp", 5061)
	}
	return p
}

// anyPID replaces the pid of a process that p has forked by that of p: which of
// its workers holds a connection is Kamailio's affair, and changes.
func (p *process) anyPID(f facts) facts {
	name, pid, _ := strings.Cut(f.Process, "/")
	status, _ := os.ReadFile("/proc/" + pid + "/status")
	if strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", p.Process.Pid)) {
		f.Process = fmt.Sprintf("%s/%d", name, p.Process.Pid)
	}
	return f
}

const proxyCalls = 6

// TestKamailioProxies has sipp call sipp through Kamailio: four ends of two
// hops, on the second of which Kamailio is the client.
func TestKamailioProxies(t *testing.T) {
	for _, transport := range []string{"tcp", "udp"} {
		for _, ipv6 := range []bool{false, true} {
			t.Run(transport+"-"+family(ipv6), func(t *testing.T) { testProxy(t, transport, ipv6) })
		}
	}
}

func testProxy(t *testing.T, transport string, ipv6 bool) {
	l := newLink(t)
	w := startWatch(t, l, live.Options{})
	caller, proxy, callee := at(l.a.addr(ipv6), 5062), at(l.b.addr(ipv6), 5060), at(l.a.addr(ipv6), 5080)
	k := kamailio{idle: 60, next: fmt.Sprintf("sip:%s;transport=%s", callee, transport)}.start(t, l.b)
	flag := transport[:1] + "1"
	uas := l.a.sipp(t, flag, callee, "-sn", "uas")
	l.a.bound(t, transport, 5080)
	uac := l.a.sipp(t, flag, caller, "-sn", "uac", "-m", strconv.Itoa(proxyCalls), "-r", "20", proxy.String())
	uac.succeed(t)

	// Each end of the first hop, then of the second.
	first := facts{
		Transport: transport, Process: uac.label(), Initiator: "local", OpenedKnown: true,
		RequestsOut: 3 * proxyCalls, ResponsesIn: 3 * proxyCalls, Class: "unidirectional-ephemeral",
	}
	second := first
	second.Process = k.label()
	if transport == "tcp" {
		first.HandshakeMeasured, first.Closed, first.By, first.How = true, true, "local", "fin"
		second.HandshakeMeasured = true // Kamailio keeps it
	}
	from, through := at(caller.Addr(), 0), at(proxy.Addr(), 0)
	if transport == "udp" { // one socket each; over TCP a connection has a port of its own
		from, through = caller, proxy
	}
	w.finally(func(r *report.Report) string {
		hop1, hop1b := one(r, transport, from, proxy), one(r, transport, proxy, from)
		hop2, hop2b := one(r, transport, through, callee), one(r, transport, callee, through)
		for _, end := range []**report.Connection{&hop1, &hop1b, &hop2, &hop2b} {
			if *end == nil {
				return fmt.Sprintf("not four ends of two hops, but %d connections", len(r.Connections))
			}
		}
		if transport == "udp" && hop1.Close != nil { // its socket is gone: a recount shows it
			hop1.Close, hop1.Closed = nil, nil
		}
		first.BytesOut, first.BytesIn = hop1.BytesSent, hop1.BytesReceived
		second.BytesOut, second.BytesIn = hop2.BytesSent, hop2.BytesReceived
		if in, out := uas.logged(t); second.BytesOut != out || second.BytesIn != in || in == 0 || out == 0 {
			return fmt.Sprintf("second hop: %d bytes sent and %d received, the callee says %d and %d", second.BytesOut, second.BytesIn, out, in)
		}
		return all(
			first.differs(factsOf(hop1)),
			first.mirrored(k.label()).differs(k.anyPID(factsOf(hop1b))),
			second.differs(k.anyPID(factsOf(hop2))),
			second.mirrored(uas.label()).differs(factsOf(hop2b)),
		)
	})
}

// one returns the connection from local to remote if there is exactly one.
func one(r *report.Report, transport string, local, remote netip.AddrPort) *report.Connection {
	if found := find(r, transport, local, remote); len(found) == 1 {
		return found[0]
	}
	return nil
}

// TestKamailioClosesIdle lets Kamailio close what has been idle for long
// enough, and compares what both ends report with the client's own watch.
func TestKamailioClosesIdle(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	w := startWatch(t, l, live.Options{})
	k := kamailio{idle: 2}.start(t, l.b)
	type client struct {
		*reader
		sent  int
		quiet time.Time
		idle  time.Duration
	}
	var clients []*client
	for i := range 6 { // three for each address of the peer
		server := at(l.b.addr(i%2 == 1), 5060)
		c := &client{reader: &reader{conn: l.a.dial(t, netip.AddrPort{}, server)}}
		m := request("OPTIONS", "TCP", c.conn.LocalAddr())
		write(t, c.conn, m)
		c.must(t, 1)
		c.sent, c.quiet = len(m), time.Now()
		clients = append(clients, c)
	}
	for _, c := range clients {
		c.idle = c.eof(t).Sub(c.quiet)
		c.conn.Close()
	}
	r := w.finally(func(r *report.Report) string {
		for _, c := range clients {
			mine, theirs := addrOf(c.conn.LocalAddr()), addrOf(c.conn.RemoteAddr())
			want := facts{
				Transport: "tcp", Process: own(), Initiator: "local", HandshakeMeasured: true, OpenedKnown: true, Closed: true,
				By: "remote", How: "fin", Class: "unidirectional-ephemeral", RequestsOut: 1, ResponsesIn: 1,
				BytesOut: uint64(c.sent), BytesIn: uint64(c.bytes),
			}
			near, far := one(r, "tcp", mine, theirs), one(r, "tcp", theirs, mine)
			if near == nil || far == nil {
				return fmt.Sprintf("no connection of %s, or more than one", mine)
			}
			if wrong := all(want.differs(factsOf(near)), want.mirrored(k.label()).differs(k.anyPID(factsOf(far)))); wrong != "" {
				return wrong
			}
			for _, end := range []*report.Connection{near, far} {
				if got := *end.Close.IdleSeconds; got < 2 || got > c.idle.Seconds()+0.1 || got < c.idle.Seconds()-1 {
					return fmt.Sprintf("%s was idle for %.3f s at its close, the client says %.3f", end.Local, got, c.idle.Seconds())
				}
			}
		}
		return ""
	})
	for _, ipv6 := range []bool{false, true} {
		inferred := peerOf(t, r, l.b.addr(ipv6)).IdleTimeoutSecondsInferred
		if inferred == nil || *inferred < 2 || *inferred > clients[5].idle.Seconds()+0.1 {
			t.Errorf("%s: idle timeout %s inferred, connections were idle for %v", family(ipv6), text(inferred), clients[5].idle)
		}
		if back := peerOf(t, r, l.a.addr(ipv6)).IdleTimeoutSecondsInferred; back != nil {
			t.Errorf("%s: idle timeout %v inferred of the client, which never closed first", family(ipv6), *back)
		}
	}
}

// TestKamailioStops: what Kamailio closes when it is told to end is not held
// against it. Its processes hold the connections and the listeners between
// them, and end one after the other.
func TestKamailioStops(t *testing.T) {
	l := newLink(t)
	w := startWatch(t, l, live.Options{})
	k := kamailio{idle: 60}.start(t, l.b)
	server := at(l.b.v4, 5060)
	var clients []*reader
	for range 6 {
		c := &reader{conn: l.a.dial(t, netip.AddrPort{}, server)}
		write(t, c.conn, request("OPTIONS", "TCP", c.conn.LocalAddr()))
		c.must(t, 1)
		clients = append(clients, c)
	}
	k.Process.Signal(syscall.SIGTERM)
	for _, c := range clients {
		c.eof(t)
		c.conn.Close()
	}
	r := w.finally(func(r *report.Report) string {
		for _, c := range clients {
			end := one(r, "tcp", server, addrOf(c.conn.LocalAddr()))
			if end == nil || end.Close == nil {
				return fmt.Sprintf("the connection from %s has not ended", c.conn.LocalAddr())
			}
			if end.Close.By != "local" || !end.Close.Exiting {
				return fmt.Sprintf("the connection from %s: %s", c.conn.LocalAddr(), text(end.Close))
			}
		}
		return ""
	})
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Rule == "TP-01" && f.Party == "local" {
			t.Errorf("%s on %s: %s", f.Rule, f.Connection, f.Evidence)
		}
	}
}
