// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"slices"
)

// Only returns r with the connections that keep accepts. What is counted for
// each peer is counted again from these; what cannot be (an inferred idle
// timeout, duplicate pairs, what could be avoided, keep-alives) stays only for
// peers all of whose connections were kept. Findings and actions go with the
// connection that they were seen on first. r is not to be used any more.
func Only(r *Report, keep func(*Connection) bool) *Report {
	dropped := make(map[string]bool)
	peers := make(map[string]*Peer)
	kept := r.Connections[:0]
	r.Summary.Connections, r.Summary.Persistent = 0, 0
	for i := range r.Connections {
		c := &r.Connections[i]
		address := addressOf(c.Remote)
		if !keep(c) {
			dropped[address] = true
			continue
		}
		kept = append(kept, *c)
		r.Summary.Connections++
		if c.Class.Observed == "persistent" {
			r.Summary.Persistent++
		}
		if peers[address] == nil {
			peers[address] = &Peer{Address: address, Name: c.Peer}
		}
		peers[address].add(c)
	}
	r.Connections = kept
	left := r.Peers[:0]
	for _, p := range r.Peers {
		switch mine := peers[p.Address]; {
		case mine == nil:
		case dropped[p.Address]:
			mine.divide()
			left = append(left, *mine)
		default:
			left = append(left, p)
		}
	}
	r.Peers = left
	r.onlyTheirs()
	return r
}

// onlyTheirs drops the findings and actions of connections that are not in the
// report.
func (r *Report) onlyTheirs() {
	lines := make(map[string]*Connection, len(r.Connections))
	for i := range r.Connections {
		r.Connections[i].Findings = []int{}
		lines[r.Connections[i].ID] = &r.Connections[i]
	}
	r.Summary.Findings = FindingCounts{}
	findings := r.Findings[:0]
	for _, f := range r.Findings {
		if line := lines[f.Connection]; line != nil {
			line.Findings = append(line.Findings, len(findings))
			findings = append(findings, f)
			r.Summary.Findings.Add(f.Severity)
		}
	}
	r.Findings = findings
	r.Actions = slices.DeleteFunc(r.Actions, func(a Action) bool { return lines[a.Connection] == nil })
}

func addressOf(remote string) string {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	return a.Addr().String()
}

func (p *Peer) add(c *Connection) {
	n := uint64(c.Transactions)
	p.Requests += n
	if n > 1 {
		p.ConnectionsReused++
		p.RequestsReused += n - 1
	}
	if n > 0 {
		p.carriers++
	}
	switch {
	case c.Opened != nil:
		p.ConnectionsOpened++
	case c.Closed != nil && c.Initiator == "local" && c.HandshakeSeconds == nil && n == 0:
		p.ConnectFailures++
	}
	if c.HandshakeSeconds != nil {
		p.HandshakeSecondsSpent += *c.HandshakeSeconds
	}
}

func (p *Peer) divide() {
	if p.carriers > 0 {
		p.RequestsPerConnection = float64(p.Requests) / float64(p.carriers)
	}
}
