// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/live"
)

// guarded is what a persistent connection is protected with, and what an
// application then finds: see optionsOf.
var guarded = policy.Persistent{
	MaxConnections: -1,
	TCPKeepalive:   policy.TCPKeepalive{Idle: 40 * time.Second, Interval: 8 * time.Second, Probes: 4},
	UserTimeout:    61 * time.Second,
}

const guardedOptions = "1 40 8 4 61000"

// TestProtection: in each mode, what the application finds on its socket when the
// policy wants the connection to last, and when the neighbours agreed that it
// does; and what becomes of it when the application undoes it.
func TestProtection(t *testing.T) {
	l := newLink(t)
	p := inModes(l, 5070,
		policy.Peer{Name: "by policy", Class: policy.Persist, Persistent: guarded},
		policy.Peer{Name: "negotiated", Persistent: guarded},
		policy.Peer{Name: "ephemeral", Persistent: guarded})
	w := startWatch(t, l, live.Options{
		Probes: bpf.Options{Ports: portsOf(p)},
		Core:   agent.Config{Policy: p, CheckProtected: time.Second},
	})
	all := make([]*client, len(p.Peers))
	before := make([]string, len(p.Peers))
	for i, port := range portsOf(p) {
		all[i] = l.a.newClient(t, l.b.listen(t, at(l.b.v4, port)))
		before[i] = all[i].order("options")
		ask := request("OPTIONS", "TCP", all[i].peer.RemoteAddr())
		if strings.HasPrefix(p.Peers[i].Name, "negotiated") {
			ask = offering(ask)
		}
		all[i].asks(ask)
	}
	lasts := func(i int) bool { return !strings.HasPrefix(p.Peers[i].Name, "ephemeral") }
	protected := func(i int) bool { return lasts(i) && p.Peers[i].Enforce == policy.Enforce }
	for i, c := range all {
		if protected(i) {
			until(t, func() string { return c.has(guardedOptions) })
			if said := c.order("undo"); said != "ok" {
				t.Fatal(said)
			}
			until(t, func() string { return c.has(guardedOptions) })
		}
	}
	w.finally(func(r *report.Report) string {
		for i, c := range all {
			end, m := c.end(r), p.Peers[i].Enforce
			if end == nil {
				return fmt.Sprintf("%s: no connection", p.Peers[i].Name)
			}
			if !lasts(i) {
				m = policy.Observe // nothing is to be done
			}
			reason, wrong := wasActed(r, end, "protect", m)
			switch {
			case wrong != "":
				return p.Peers[i].Name + ": " + wrong
			case m == policy.DryRun && reason != "dry-run: persistent, policy row "+p.Peers[i].Name,
				m == policy.Enforce && !(strings.Contains(reason, "the process had undone it: ") && strings.Contains(reason, "SO_KEEPALIVE is off")):
				return fmt.Sprintf("%s: reason %q", p.Peers[i].Name, reason)
			}
		}
		return ""
	})
	for i, c := range all {
		if want := before[i]; !protected(i) {
			if wrong := c.has(want); wrong != "" {
				t.Errorf("%s: %s", p.Peers[i].Name, wrong)
			}
		}
		c.lives()
	}
}

func (c *client) has(want string) string {
	if got := c.order("options"); got != want {
		return fmt.Sprintf("the socket has %s, want %s", got, want)
	}
	return ""
}

// TestKamailioIsProtected: what Kamailio's sockets have, whichever of its
// processes holds them, before and after. Rows are told apart by sent-by.
func TestKamailioIsProtected(t *testing.T) {
	l := newLink(t)
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other, Persistent: policy.Persistent{MaxConnections: -1}}}
	for _, m := range modes {
		p.Peers = append(p.Peers, policy.Peer{
			Name: m.mode.String(), Enforce: m.mode, Persistent: guarded,
			Match: policy.Match{
				CIDRs: []netip.Prefix{netip.PrefixFrom(l.a.v4, 32)}, Initiator: "remote", SentBy: []string{sentBy(m.mode)},
			},
		})
	}
	p.Compile()
	w := startWatch(t, l, live.Options{Core: agent.Config{Policy: p, CheckProtected: time.Second}})
	k := kamailio{idle: 60}.start(t, l.b)
	var clients []*reader
	var before []string
	for _, m := range modes {
		c := &reader{conn: l.a.dial(t, netip.AddrPort{}, at(l.b.v4, 5060))}
		write(t, c.conn, request("OPTIONS", "TCP", name(sentBy(m.mode))))
		c.must(t, 1)
		before = append(before, k.optionsFacing(t, addrOf(c.conn.LocalAddr())))
		write(t, c.conn, offering(request("OPTIONS", "TCP", name(sentBy(m.mode)))))
		c.must(t, 1)
		clients = append(clients, c)
	}
	w.finally(func(r *report.Report) string {
		for i, m := range modes {
			end := one(r, "tcp", at(l.b.v4, 5060), addrOf(clients[i].conn.LocalAddr()))
			if end == nil {
				return "no connection, " + m.mode.String()
			}
			if _, wrong := wasActed(r, end, "protect", m.mode); wrong != "" {
				return m.mode.String() + ": " + wrong
			}
		}
		return ""
	})
	for i, m := range modes {
		want := before[i]
		if m.mode == policy.Enforce {
			want = guardedOptions
		}
		if got := k.optionsFacing(t, addrOf(clients[i].conn.LocalAddr())); got != want {
			t.Errorf("%s: Kamailio's socket had %s and has %s, want %s", m.mode, before[i], got, want)
		}
		write(t, clients[i].conn, request("OPTIONS", "TCP", name(sentBy(m.mode))))
		clients[i].must(t, 1)
	}
}

func sentBy(m policy.Mode) string { return m.String() + ".example.com" }

// name is a sent-by, where others have an address.
type name string

func (n name) Network() string { return "tcp" }
func (n name) String() string  { return string(n) }

// optionsFacing are those of the socket of p, or of a process that it has
// forked, that is connected to remote.
func (p *process) optionsFacing(t *testing.T, remote netip.AddrPort) string {
	t.Helper()
	for _, pid := range p.family(t) {
		if options := optionsIn(pid, remote); options != "" {
			return options
		}
	}
	t.Fatalf("no process of %s has a connection to %s", p.Path, remote)
	return ""
}

// family are p and what it has forked.
func (p *process) family(t *testing.T) []int {
	t.Helper()
	pids := []int{p.Process.Pid}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for child := range strings.FieldsSeq(string(children)) {
		var pid int
		fmt.Sscan(child, &pid)
		pids = append(pids, pid)
	}
	return pids
}

func optionsIn(pid int, remote netip.AddrPort) string {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(pidfd)
	for fd := range 256 {
		duplicate, err := unix.PidfdGetfd(pidfd, fd, 0)
		if err != nil {
			continue
		}
		peer, err := unix.Getpeername(duplicate)
		options := optionsOfDescriptor(duplicate)
		unix.Close(duplicate)
		if a, ok := peer.(*unix.SockaddrInet4); err == nil && ok && netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)) == remote {
			return options
		}
	}
	return ""
}
