// SPDX-License-Identifier: Apache-2.0

package text

import (
	"cmp"
	"fmt"
	"io"
	"slices"

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
	rows := [][]string{{"PEER", "OPENED", "FAILED", "REQ", "REQ/CONN", "REUSED", "SETUP", "IDLE LIMIT", "PAIRS"}}
	for _, p := range order {
		rows = append(rows, []string{
			p.Address, number(p.ConnectionsOpened), number(p.ConnectFailures), number(p.Requests),
			ratio(p), share(p), seconds(&p.HandshakeSecondsSpent), seconds(p.IdleTimeoutSecondsInferred),
			number(p.DuplicatePairs),
		})
	}
	grid{
		columns: []column{
			{min: 15, tail: true}, {right: true}, {right: true}, {right: true},
			{right: true}, {right: true}, {right: true}, {right: true}, {right: true},
		},
		rows: rows,
	}.write(w, o)
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
