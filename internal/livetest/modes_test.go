// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
)

// inModes is a policy with a row for each mode and kind, told apart by the port
// that the client side of l connects to: first, and those after it. What is not
// of l is only observed.
func inModes(l *link, first uint16, kinds ...policy.Peer) *policy.Policy {
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other, Persistent: policy.Persistent{MaxConnections: -1}}}
	for i := range kinds {
		for j, m := range modes {
			row := kinds[i]
			row.Name, row.Enforce = fmt.Sprintf("%s, %s", kinds[i].Name, m.mode), m.mode
			row.Match = policy.Match{
				CIDRs:     []netip.Prefix{netip.PrefixFrom(l.b.v4, l.b.v4.BitLen())},
				Initiator: "local", Ports: []uint16{first + uint16(i*len(modes)+j)},
			}
			p.Peers = append(p.Peers, row)
		}
	}
	p.Compile()
	return p
}

func portsOf(p *policy.Policy) []uint16 {
	var ports []uint16
	for i := range p.Peers {
		ports = append(ports, p.Peers[i].Match.Ports...)
	}
	return ports
}

// offering is a request that offers to keep the connection
// (draft-jain-sipping-persistent-conn-reqs).
func offering(request []byte) []byte {
	return bytes.Replace(request, []byte(";branch="), []byte(";persistent;branch="), 1)
}

// asks has the program send a request, and answers it.
func (c *client) asks(request []byte) {
	c.t.Helper()
	if said := c.order("say " + strconv.Quote(string(request))); said != "ok" {
		c.t.Fatal(said)
	}
	s := &reader{conn: c.peer}
	s.must(c.t, 1)
	answer := reply(s.latest, "200 OK")
	write(c.t, c.peer, answer)
	if said := c.order(fmt.Sprintf("read %d", len(answer))); said != "ok" {
		c.t.Fatal(said)
	}
}

// end is what r says of the client's end of c.
func (c *client) end(r *report.Report) *report.Connection {
	return one(r, "tcp", c.target.Local, c.target.Remote)
}

// acted lists what was done to c, or not: action, mode, outcome.
func acted(r *report.Report, c *report.Connection) []report.Action {
	var all []report.Action
	for _, a := range r.Actions {
		if a.Connection == c.ID {
			all = append(all, a)
		}
	}
	return all
}

// wasActed wants one action on c, as it is in the mode, and returns what is
// said of it.
func wasActed(r *report.Report, c *report.Connection, action string, m policy.Mode) (reason, wrong string) {
	var said []string
	for _, a := range acted(r, c) {
		said, reason = append(said, a.Action+" "+a.Mode+" "+a.Outcome), a.Reason
	}
	want := map[policy.Mode]string{policy.Observe: "", policy.DryRun: action + " dry-run skipped", policy.Enforce: action + " enforce done"}[m]
	if got := strings.Join(said, ", "); got != want {
		return reason, fmt.Sprintf("actions %q, want %q", got, want)
	}
	return reason, ""
}

// found says whether r has a finding of the rule on c.
func found(r *report.Report, c *report.Connection, rule string) bool {
	for _, i := range c.Findings {
		if r.Findings[i].Rule == rule {
			return true
		}
	}
	return false
}

// closesWithin is how long a close may take that follows upon 64*T1 of rest.
const closesWithin = 35*time.Second + patience
