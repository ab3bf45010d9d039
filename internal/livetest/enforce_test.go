// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/live"
)

// modes are rows of a policy, told apart by the port that a client connects to.
var modes = []struct {
	port uint16
	mode policy.Mode
}{{5070, policy.Observe}, {5071, policy.DryRun}, {5072, policy.Enforce}}

func idlePolicy(l *link) *policy.Policy {
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other, Persistent: policy.Persistent{MaxConnections: -1}}}
	for _, m := range modes {
		row := p.Fallback
		row.Name, row.Enforce = m.mode.String(), m.mode
		row.Match = policy.Match{CIDRs: []netip.Prefix{netip.PrefixFrom(l.b.v4, 32)}, Initiator: "local", Ports: []uint16{m.port}}
		row.Ephemeral = policy.Ephemeral{IdleTimeout: 33 * time.Second}
		p.Peers = append(p.Peers, row)
	}
	p.Compile()
	return p
}

// client asks once from n and then reads what comes, until the end of the
// stream.
func (n *namespace) client(t *testing.T, listener *net.TCPListener, server netip.AddrPort) (*process, net.Conn) {
	t.Helper()
	text := request("OPTIONS", "TCP", net.TCPAddrFromAddrPort(at(n.v4, 5060)))
	p := n.start(t, "/bin/bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%d; printf %%s \"$1\" >&3; cat <&3", server.Addr(), server.Port()), "client", string(text))
	c := accept(t, listener)
	s := &reader{conn: c}
	s.must(t, 1)
	write(t, c, reply(s.latest, "200 OK"))
	return p, c
}

// TestIdleIsClosed plays the same in each mode: what the application reads,
// what its peer does, and what the report says.
func TestIdleIsClosed(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	var ports []uint16
	for _, m := range modes {
		ports = append(ports, m.port)
	}
	told := make(chan report.Action, 16)
	w := startWatch(t, l, live.Options{
		Probes: bpf.Options{Ports: ports},
		Core:   agent.Config{Policy: idlePolicy(l)},
		Acted:  func(a report.Action) { told <- a },
	})
	clients := make([]*process, len(modes))
	servers := make([]net.Conn, len(modes))
	for i, m := range modes {
		server := at(l.b.v4, m.port)
		clients[i], servers[i] = l.a.client(t, l.b.listen(t, server), server)
	}
	enforced := len(modes) - 1
	servers[enforced].SetReadDeadline(time.Now().Add(33*time.Second + patience))
	if n, err := servers[enforced].Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("the peer read %d bytes and %v, want the end of the stream", n, err)
	}
	clients[enforced].succeed(t) // its cat has read the end as well
	var heard []string
	for range 2 {
		a := <-told
		heard = append(heard, fmt.Sprintf("%s %s %s of %s", a.Action, a.Mode, a.Outcome, a.Remote))
	}
	slices.Sort(heard)
	want := []string{fmt.Sprintf("close dry-run skipped of %v", at(l.b.v4, modes[1].port)), fmt.Sprintf("close enforce done of %v", at(l.b.v4, modes[2].port))}
	if !slices.Equal(heard, want) {
		t.Errorf("told of %q, want %q", heard, want)
	}
	r := w.finally(func(r *report.Report) string {
		for i, m := range modes {
			found := find(r, "tcp", at(l.a.v4, 0), at(l.b.v4, m.port))
			if len(found) != 1 {
				return fmt.Sprintf("%s: %d connections", m.mode, len(found))
			}
			if wrong := judged(r, found[0], m.mode); wrong != "" {
				return fmt.Sprintf("%s: %s", m.mode, wrong)
			}
			if found[0].Close == nil != (i != enforced) {
				return fmt.Sprintf("%s: close %+v", m.mode, found[0].Close)
			}
		}
		return ""
	})
	if c := find(r, "tcp", at(l.a.v4, 0), at(l.b.v4, modes[enforced].port))[0]; c.Close.By != "viaduct" || *c.Close.How != "fin" {
		t.Errorf("closed by %s, %s", c.Close.By, *c.Close.How)
	}
	for i := range modes[:enforced] { // these notice nothing at all
		write(t, servers[i], []byte("\r\n\r\n"))
		until(t, func() string {
			if got := clients[i].Stdout.(fmt.Stringer).String(); !strings.HasSuffix(got, "\r\n\r\n\r\n\r\n") {
				return fmt.Sprintf("the client has read %q", got)
			}
			return ""
		})
	}
}

// judged says what of the findings and actions on c is not as it should be in
// the mode.
func judged(r *report.Report, c *report.Connection, m policy.Mode) string {
	var found []string
	for _, i := range c.Findings {
		if r.Findings[i].Rule == "POL-02" {
			found = append(found, r.Findings[i].Rule)
		}
	}
	if len(found) != 1 {
		return fmt.Sprintf("findings %q", found)
	}
	var actions []string
	for _, a := range r.Actions {
		if a.Connection == c.ID {
			actions = append(actions, a.Action+" "+a.Mode+" "+a.Outcome)
		}
	}
	want := map[policy.Mode]string{policy.Observe: "", policy.DryRun: "close dry-run skipped", policy.Enforce: "close enforce done"}[m]
	if got := strings.Join(actions, ", "); got != want {
		return fmt.Sprintf("actions %q, want %q", got, want)
	}
	return ""
}
