// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// exchange is SIP between sockets of this host, so that everything is seen from
// both ends.
type exchange struct {
	t              *testing.T
	client, server net.Conn // TCP
	udp            [2]*net.UDPConn
}

const tcpRequests = 3

// playExchange plays requests, a ping and a refused connect over TCP, and one
// request over UDP. refusing is a port that refuses.
func playExchange(t *testing.T, refusing uint16) *exchange {
	t.Helper()
	x := &exchange{t: t}
	listener := got(net.Listen("tcp4", "127.0.0.1:0")).orFail(t)
	defer listener.Close()
	x.client = got(net.Dial("tcp4", listener.Addr().String())).orFail(t)
	x.server = got(listener.Accept()).orFail(t)
	t.Cleanup(func() { x.client.Close(); x.server.Close() })
	for n := range tcpRequests {
		x.carry(x.client, x.server, sipRequest("PUBLISH", "TCP", n))
		x.carry(x.server, x.client, sipReply("PUBLISH", "TCP", n))
	}
	x.carry(x.client, x.server, "\r\n\r\n")
	x.carry(x.server, x.client, "\r\n")

	if c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", refusing)); err == nil {
		c.Close()
		t.Fatalf("port %d does not refuse", refusing)
	}

	for i := range x.udp {
		x.udp[i] = got(net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})).orFail(t)
		t.Cleanup(func() { x.udp[i].Close() })
	}
	for i, b := range []string{sipRequest("PRACK", "UDP", 1), sipReply("PRACK", "UDP", 1)} {
		got(x.udp[i].WriteTo([]byte(b), x.udp[1-i].LocalAddr())).orFail(t)
		if n := got(x.udp[1-i].Read(make([]byte, 2*len(b)))).orFail(t); n != len(b) {
			t.Fatalf("%d bytes arrived, %d were sent", n, len(b))
		}
	}
	return x
}

// carry has b arrive at the other end.
func (x *exchange) carry(from io.Writer, to io.Reader, b string) {
	x.t.Helper()
	got(io.WriteString(from, b)).orFail(x.t)
	arrived := make([]byte, len(b))
	got(io.ReadFull(to, arrived)).orFail(x.t)
	if string(arrived) != b {
		x.t.Fatalf("%q arrived, %q was sent", arrived, b)
	}
}

// hangUp closes the TCP connection from the server's end.
func (x *exchange) hangUp() {
	x.t.Helper()
	if err := x.server.Close(); err != nil {
		x.t.Fatal(err)
	}
	if n, err := x.client.Read(make([]byte, 1)); err != io.EOF {
		x.t.Fatalf("read %d bytes and %v, not the end", n, err)
	}
	if err := x.client.Close(); err != nil {
		x.t.Fatal(err)
	}
}

func sipRequest(method, transport string, n int) string {
	return fmt.Sprintf("%s sip:b@example.com SIP/2.0\r\n%s", method, sipFields(method, transport, "", n))
}

func sipReply(method, transport string, n int) string {
	return "SIP/2.0 200 OK\r\n" + sipFields(method, transport, ";tag=b", n)
}

func sipFields(method, transport, tag string, n int) string {
	return fmt.Sprintf("Via: SIP/2.0/%s 127.0.0.1;branch=z9hG4bK%s%d\r\nFrom: <sip:a@example.com>;tag=a\r\n"+
		"To: <sip:b@example.com>%s\r\nCall-ID: %d@example.com\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n",
		transport, method, n, tag, n, 1+n, method)
}

// whileOpen is what the agent counts of an exchange.
var whileOpen = series{
	"connections unidirectional-ephemeral local tcp":  1,
	"connections unidirectional-ephemeral remote tcp": 1,
	"connections unidirectional-ephemeral local udp":  1,
	"connections unidirectional-ephemeral remote udp": 1,
	"connections_opened_total local tcp":              1,
	"connections_opened_total remote tcp":             1,
	"connections_opened_total local udp":              1,
	"connections_opened_total remote udp":             1,
	"connection_handshake_seconds count":              2,
	"connect_failures_total refused":                  1,
	"keepalives_total out ping":                       1,
	"keepalives_total in ping":                        1,
	"keepalives_total out pong":                       1,
	"keepalives_total in pong":                        1,
	"keepalive_round_trip_seconds count":              2,
	"messages_total out PUBLISH tcp request":          tcpRequests,
	"messages_total in PUBLISH tcp request":           tcpRequests,
	"messages_total out PUBLISH tcp response":         tcpRequests,
	"messages_total in PUBLISH tcp response":          tcpRequests,
	"messages_total out PRACK udp request":            1,
	"messages_total in PRACK udp request":             1,
	"messages_total out PRACK udp response":           1,
	"messages_total in PRACK udp response":            1,
}

// afterHangUp is the same when the TCP connection has ended.
var afterHangUp = func() series {
	s := maps.Clone(whileOpen)
	maps.Copy(s, series{
		"connections unidirectional-ephemeral local tcp":  0,
		"connections unidirectional-ephemeral remote tcp": 0,
		"connections_closed_total remote fin tcp":         1, // the client's socket
		"connections_closed_total local fin tcp":          1, // the server's
		"connection_lifetime_seconds count":               2,
		"connection_idle_at_close_seconds remote count":   1,
		"connection_idle_at_close_seconds local count":    1,
		"requests_per_connection count":                   2,
		"requests_per_connection sum":                     2 * tcpRequests,
	})
	return s
}()

// compared are the families in which nothing else may be counted. The times
// that something took cannot be foretold.
func compared(key string) bool {
	family, _, _ := strings.Cut(key, " ")
	switch family {
	case "connections", "connections_opened_total", "connections_closed_total", "connect_failures_total",
		"requests_per_connection", "messages_total", "keepalives_total", "keepalive_unanswered_total",
		"events_lost_total", "bytes_lost_total", "missed_closes_total", "state_evictions_total":
		return true
	case "connection_handshake_seconds", "connection_lifetime_seconds", "connection_idle_at_close_seconds", "keepalive_round_trip_seconds":
		return strings.HasSuffix(key, " count")
	}
	return false
}

func (want series) differs(got series) (wrong string) {
	for key := range want {
		if _, there := got[key]; !there {
			wrong += key + " is missing\n"
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if compared(key) && got[key] != want[key] {
			wrong += fmt.Sprintf("%s: %v, want %v\n", key, got[key], want[key])
		}
	}
	return wrong
}

// The packet programs are attached to a cgroup that this process is alone in,
// so that nothing is counted of what else happens on the host.
func TestAgentCounts(t *testing.T) {
	testutil.RequireRoot(t)
	refusing := refusingPort(t)
	c := agentCommand{probeFlags: probeFlags{Port: []uint16{refusing}, RingSize: 1 << 20}}
	c.Web.ListenAddress = []string{"127.0.0.1:0"}
	c.Log.Level, c.Log.Format = "info", "logfmt"
	probes := got(c.options()).orFail(t)
	probes.Cgroup = ownCgroup(t)

	ctx, cancel := context.WithCancel(t.Context())
	a := startAgent(t, func(log io.Writer, ended chan<- int) {
		go func() {
			code := exitFine
			if err := c.watch(&environment{ctx: ctx, stdout: io.Discard, stderr: log}, probes); err != nil {
				fmt.Fprintln(log, err)
				code = exitUnable
			}
			ended <- code
		}()
	})
	x := playExchange(t, refusing)
	until(t, func() string { return whileOpen.differs(a.scrape()) })
	shows(t, a, x)
	x.hangUp()
	until(t, func() string { return afterHangUp.differs(a.scrape()) })
	cancel()
	if code := a.end(); code != exitFine {
		t.Errorf("exit code %d", code)
	}
}

// shows wants the page, and the exchange in the API.
func shows(t *testing.T, a *scraped, x *exchange) {
	t.Helper()
	if status, body := a.get("/"); status != 200 || !strings.Contains(body, "<title>viaduct</title>") {
		t.Errorf("the page: %d %.200s", status, body)
	}
	end := x.client.LocalAddr().String()
	_, body := a.get("/api/v1/connections?state=open&address=" + end)
	var p report.Page
	if err := json.Unmarshal([]byte(body), &p); err != nil || len(p.Connections) != 2 {
		t.Fatalf("of the two ends of %s the API shows %d: %v: %.300s", end, len(p.Connections), err, body)
	}
	for _, line := range p.Connections {
		if line.History == nil || len(line.History.Marks) != 2*tcpRequests+2 || line.History.Marks[0].Method != "PUBLISH" {
			t.Errorf("%s: the history is %+v", line.Local, line.History)
		}
	}
}
