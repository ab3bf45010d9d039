// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/peer"
	"github.com/viaduct-project/viaduct/agent/query"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Raised, Peers and Acts return what there is. The lists are the caller's, what
// they point to is the core's: it is handed back to the core to be read.
func (c *Core) Raised() []*rule.Finding { return slices.Clone(c.rules.Findings.Raised()) }
func (c *Core) Peers() []*peer.Peer     { return c.peers.Unsorted() }
func (c *Core) Acts() []report.Action {
	all := make([]report.Action, 0, len(c.acts.order))
	for _, a := range c.acts.order {
		all = append(all, *a)
	}
	return all
}

// FindingLine and PeerLine are what the report says.
func (c *Core) FindingLine(f *rule.Finding) report.Finding { return findingLine(f) }
func (c *Core) PeerLine(p *peer.Peer) report.Peer          { return peerLine(p) }

// MatchFinding says whether f lets a finding pass, by what it is and by the
// connection on which it was seen first.
func (c *Core) MatchFinding(now event.Time, f *query.Filter, n *rule.Finding) bool {
	if !f.Finding(n.Rule.ID, n.Severity.String()) {
		return false
	}
	if *f == (query.Filter{Rule: f.Rule, Severity: f.Severity}) {
		return true
	}
	text, about := f.Text, *f
	about.Text = ""
	l := query.Line{
		Open: n.Conn.Open(), Transport: transportNames[n.Conn.Transport], Peer: n.Conn.Row.Name, Process: n.Conn.Owner.Name,
		PID: number(uint64(n.Conn.Owner.PID)), Local: []byte(n.Conn.Local.String()), Remote: []byte(n.Conn.Remote.String()),
	}
	if conn := c.met.get(n.Conn.ID); conn != nil && f.Class != "" {
		e := conn.evidence(now)
		l.Class = class.Of(&e).String()
	}
	if !about.Match(&l) {
		return false
	}
	for _, s := range []string{n.Evidence, n.Rule.Broken, n.Rule.ID, string(l.Local), string(l.Remote), l.Peer} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}

// Counts are figures of the whole that cost nothing to ask for.
func (c *Core) Counts() (s report.Counts) {
	s.Open, s.Closed = c.open.Len()+c.udp.Len(), c.closing.Len()+c.closed.len()
	s.Findings = c.FindingCounts()
	s.Peers, s.Actions = c.peers.Len(), len(c.acts.order)
	_, s.Messages, s.Lost = c.Totals()
	s.Started = c.cfg.Started.Go()
	s.Source = c.cfg.Source
	return s
}

// FindingCounts counts the findings by severity.
func (c *Core) FindingCounts() (n report.FindingCounts) {
	for _, f := range c.rules.Findings.Raised() {
		n.Add(f.Severity.String())
	}
	return n
}
