// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/live"
)

// closed is a kind of connection that a policy has closed, and what is seen of
// that: by the report, by the application, by its peer.
type closed struct {
	row         policy.Peer
	offers      bool // to keep the connection
	beside      int  // more connections that offer, and may stay
	rule        string
	how         string
	application string
	peer        string
}

var closedKinds = []closed{
	{policy.Peer{Name: "surplus", Persistent: policy.Persistent{MaxConnections: 2}}, true, 2, "POL-04", "fin", "EOF", "EOF"},
	{policy.Peer{Name: "not wanted", Class: policy.Unidirectional, Persistent: policy.Persistent{MaxConnections: -1}}, true, 0, "POL-06", "fin", "EOF", "EOF"},
	{policy.Peer{Name: "none allowed"}, true, 0, "POL-06", "fin", "EOF", "EOF"},
	{policy.Peer{Name: "surplus, hard", Persistent: policy.Persistent{MaxConnections: 1}, Ephemeral: policy.Ephemeral{Close: policy.Hard}},
		true, 1, "POL-04", "rst", "software caused connection abort", "connection reset by peer"},
	{policy.Peer{Name: "idle, hard", Persistent: policy.Persistent{MaxConnections: -1}, Ephemeral: policy.Ephemeral{IdleTimeout: 33 * time.Second, Close: policy.Hard}},
		false, 0, "POL-02", "rst", "software caused connection abort", "connection reset by peer"},
}

// TestClosings plays each kind in each mode, side by side: what the application
// reads, what its peer reads, and what the report says. Without enforcement, and
// beside it, connections carry bytes as before.
func TestClosings(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	var rows []policy.Peer
	for _, kind := range closedKinds {
		rows = append(rows, kind.row)
	}
	p := inModes(l, 5070, rows...)
	w := startWatch(t, l, live.Options{Probes: bpf.Options{Ports: portsOf(p)}, Core: agent.Config{Policy: p}})
	type play struct {
		*closed
		mode   policy.Mode
		stays  []*client
		closes *client
	}
	var plays []*play
	for i, port := range portsOf(p) {
		c := &play{closed: &closedKinds[i/len(modes)], mode: p.Peers[i].Enforce}
		listener := l.b.listen(t, at(l.b.v4, port))
		for range c.beside {
			c.stays = append(c.stays, l.a.asking(t, listener, true))
		}
		c.closes = l.a.asking(t, listener, c.offers)
		plays = append(plays, c)
	}
	for _, c := range plays {
		if c.mode == policy.Enforce {
			c.closes.peer.SetReadDeadline(time.Now().Add(closesWithin))
			if got := readToEnd(c.closes.peer); got != c.peer {
				t.Errorf("%s: the peer reads %q, want %q", c.row.Name, got, c.peer)
			}
			if got := c.closes.order("read"); got != c.application {
				t.Errorf("%s: the application reads %q, want %q", c.row.Name, got, c.application)
			}
			c.closes.peer.Close()
			continue
		}
		c.stays = append(c.stays, c.closes)
	}
	check := func(r *report.Report) string {
		for _, c := range plays {
			end, what := c.closes.end(r), fmt.Sprintf("%s, %s: ", c.row.Name, c.mode)
			switch {
			case end == nil:
				return what + "no connection"
			case !found(r, end, c.rule):
				return what + "no finding " + c.rule
			case c.mode == policy.Enforce && (end.Close == nil || end.Close.By != "viaduct" || *end.Close.How != c.how):
				return what + "closed " + text(end.Close)
			}
			if _, wrong := wasActed(r, end, "close", c.mode); wrong != "" {
				return what + wrong
			}
			for _, s := range c.stays {
				end := s.end(r)
				if end == nil || end.Close != nil {
					return what + "a connection beside it is not there any more"
				}
				if said := acted(r, end); s != c.closes && len(said) != 0 {
					return what + "beside it: " + text(said)
				}
			}
		}
		return ""
	}
	untilWithin(t, closesWithin, func() string { return check(w.report()) })
	w.finally(check)
	for _, c := range plays {
		for _, s := range c.stays {
			s.lives()
		}
	}
}

// asking starts a client that has asked once, and was answered.
func (n *namespace) asking(t *testing.T, listener *net.TCPListener, offers bool) *client {
	t.Helper()
	c := n.newClient(t, listener)
	ask := request("OPTIONS", "TCP", c.peer.RemoteAddr())
	if offers {
		ask = offering(ask)
	}
	c.asks(ask)
	return c
}

// TestServersAreClosed closes connections of sipp and of Kamailio, which have accepted
// them: gently, and hard. After a gentle close both go on to serve.
func TestServersAreClosed(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other, Persistent: policy.Persistent{MaxConnections: -1}}}
	type server struct {
		port  uint16
		mode  policy.Mode
		close policy.Closing
		ask   func(*testing.T, net.Conn)
		sees  string // who is connected to it
		conn  net.Conn
		*process
	}
	servers := []*server{
		{5060, policy.Enforce, policy.Gentle, options, "EOF", nil, nil},
		{5081, policy.Observe, policy.Gentle, call, "", nil, nil},
		{5082, policy.DryRun, policy.Gentle, call, "", nil, nil},
		{5083, policy.Enforce, policy.Gentle, call, "EOF", nil, nil},
		{5084, policy.Enforce, policy.Hard, call, "connection reset by peer", nil, nil},
	}
	for _, s := range servers {
		p.Peers = append(p.Peers, policy.Peer{
			Name: strconv.Itoa(int(s.port)), Enforce: s.mode, Persistent: policy.Persistent{MaxConnections: -1},
			Match:     policy.Match{CIDRs: []netip.Prefix{netip.PrefixFrom(l.a.v4, 32)}, Initiator: "remote", Ports: []uint16{s.port}},
			Ephemeral: policy.Ephemeral{IdleTimeout: 33 * time.Second, Close: s.close},
		})
	}
	p.Compile()
	w := startWatch(t, l, live.Options{Probes: bpf.Options{Ports: portsOf(p)}, Core: agent.Config{Policy: p}})
	kamailio{idle: 120}.start(t, l.b)
	for _, s := range servers {
		if s.port != 5060 {
			s.process = l.b.sipp(t, "t1", at(l.b.v4, s.port), "-sn", "uas", "-timeout", "200")
			l.b.bound(t, "tcp", s.port)
		}
		s.conn = l.a.dial(t, netip.AddrPort{}, at(l.b.v4, s.port))
		s.ask(t, s.conn)
	}
	check := func(r *report.Report) string {
		for _, s := range servers {
			end := one(r, "tcp", at(l.b.v4, s.port), addrOf(s.conn.LocalAddr()))
			if end == nil {
				return fmt.Sprintf("%d: no connection", s.port)
			}
			if _, wrong := wasActed(r, end, "close", s.mode); wrong != "" {
				return fmt.Sprintf("%d: %s", s.port, wrong)
			}
			if (end.Close != nil && end.Close.By == "viaduct") != (s.mode == policy.Enforce) {
				return fmt.Sprintf("%d: closed %s", s.port, text(end.Close))
			}
		}
		return ""
	}
	untilWithin(t, closesWithin, func() string { return check(w.report()) })
	for _, s := range servers {
		if s.sees == "" { // it notices nothing
			s.ask(t, s.conn)
			continue
		}
		s.conn.SetReadDeadline(time.Now().Add(patience))
		if got := readToEnd(s.conn.(*net.TCPConn)); got != s.sees {
			t.Errorf("%d: the peer reads %q, want %q", s.port, got, s.sees)
		}
		if s.close == policy.Gentle {
			s.ask(t, l.a.dial(t, netip.AddrPort{}, at(l.b.v4, s.port))) // it serves others
			continue
		}
		until(t, func() string { // sipp takes it for the end of its test
			if said := s.Stdout.(fmt.Stringer).String(); !strings.Contains(said, "Software caused connection abort") {
				return fmt.Sprintf("sipp says %q", said)
			}
			return ""
		})
	}
}

// options asks Kamailio.
func options(t *testing.T, c net.Conn) {
	t.Helper()
	write(t, c, request("OPTIONS", "TCP", c.LocalAddr()))
	(&reader{conn: c}).must(t, 1)
}

// call is one of sipp's default scenario: INVITE, 180, 200, ACK, BYE, 200.
func call(t *testing.T, c net.Conn) {
	t.Helper()
	s := &reader{conn: c}
	invite := request("INVITE", "TCP", c.LocalAddr())
	write(t, c, invite)
	for s.must(t, 1); !bytes.HasPrefix(s.latest, []byte("SIP/2.0 200")); s.must(t, 1) {
	}
	to := regexp.MustCompile(`To: .*`).Find(s.latest)
	for i, method := range []string{"ACK", "BYE"} {
		m := bytes.ReplaceAll(invite, []byte("INVITE"), []byte(method))
		m = bytes.Replace(m, []byte("branch="), fmt.Appendf(nil, "branch=z9hG4bK%d", i), 1)
		m = bytes.Replace(m, []byte("CSeq: 1 BYE"), []byte("CSeq: 2 BYE"), 1)
		write(t, c, regexp.MustCompile(`To: .*`).ReplaceAll(m, to))
	}
	s.must(t, 1)
}
