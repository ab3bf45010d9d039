// SPDX-License-Identifier: Apache-2.0

package text

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
)

// peers writes one line for each remote address, busiest first.
func peers(w io.Writer, r *report.Report, o options) {
	order := make([]*report.Peer, len(r.Peers))
	for i := range order {
		order[i] = &r.Peers[i]
	}
	slices.SortStableFunc(order, func(a, b *report.Peer) int {
		return cmp.Compare(b.ConnectionsOpened+b.ConnectFailures, a.ConnectionsOpened+a.ConnectFailures)
	})
	g := grid{columns: []column{{min: 15, tail: true}}, rows: [][]string{{"PEER"}}}
	figures := wideFigures
	if o.narrow() {
		figures = narrowFigures
	}
	for _, f := range figures {
		g.columns = append(g.columns, column{right: true})
		g.rows[0] = append(g.rows[0], f.name)
	}
	for _, p := range order {
		row := []string{p.Address}
		for _, f := range figures {
			row = append(row, f.of(p))
		}
		g.rows = append(g.rows, row)
	}
	g.write(w, o)
	if slices.ContainsFunc(r.Peers, func(p report.Peer) bool { return p.AvoidableHandshakes > 0 }) {
		fmt.Fprintln(w, legend)
	}
}

const legend = "SPARED: connections that a persistent one would have made needless, and setup"

// figure is one column of the peers.
type figure struct {
	name string
	of   func(*report.Peer) string
}

var (
	opened  = figure{"OPENED", func(p *report.Peer) string { return number(p.ConnectionsOpened) }}
	failed  = figure{"FAILED", func(p *report.Peer) string { return number(p.ConnectFailures) }}
	request = figure{"REQ", func(p *report.Peer) string { return number(p.Requests) }}
	reused  = figure{"REUSED", share}
	pairs   = figure{"PAIRS", func(p *report.Peer) string { return number(p.DuplicatePairs) }}

	wideFigures = []figure{
		opened, failed, request, {"REQ/CONN", ratio}, reused,
		{"SETUP", func(p *report.Peer) string { return seconds(&p.HandshakeSecondsSpent) }},
		{"SPARED", spared}, {"IDLE LIMIT", idleLimit}, {"KEEP-ALIVES", cadence}, pairs,
	}
	narrowFigures = []figure{opened, failed, request, reused, {"SPARED", spared}, {"IDLE", idleLimit}, {"KEEP", shortCadence}, pairs}
)

// spared is what one persistent connection would have saved.
func spared(p *report.Peer) string {
	if p.AvoidableHandshakes == 0 {
		return "-"
	}
	return number(p.AvoidableHandshakes) + "/" + seconds(&p.AvoidableSeconds)
}

// idleLimit has the number of closes that agree on it.
func idleLimit(p *report.Peer) string {
	if p.IdleTimeoutSecondsInferred == nil {
		return "-"
	}
	return fmt.Sprintf("%s (%d)", seconds(p.IdleTimeoutSecondsInferred), p.IdleTimeoutCloses)
}

// cadence is the mean time between keep-alives, what was promised, and how
// many came later.
func cadence(p *report.Peer) string {
	s := shortCadence(p)
	if k := p.Keepalives; k != nil && k.Late > 0 {
		s += ", " + number(k.Late) + " late"
	}
	return s
}

func shortCadence(p *report.Peer) string {
	k := p.Keepalives
	if k == nil {
		return "-"
	}
	s := shortSpan(time.Duration(k.MeanSeconds * float64(time.Second)))
	if k.PromisedSeconds != nil {
		s += "/" + shortSpan(time.Duration(*k.PromisedSeconds)*time.Second)
	}
	return s
}

func ratio(p *report.Peer) string {
	if p.Requests == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", p.RequestsPerConnection)
}

// share is how many of the requests needed no new connection.
func share(p *report.Peer) string {
	if p.Requests == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(p.RequestsReused)/float64(p.Requests))
}
