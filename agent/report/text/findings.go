// SPDX-License-Identifier: Apache-2.0

package text

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/viaduct-project/viaduct/agent/report"
)

// finding is one rule broken by one party, on however many connections.
type finding struct {
	*report.Finding        // the first
	connections     int    // with this one
	times           uint64 // on all of them
	at              string // who is at fault
}

// findings groups what one party did against one rule: a peer that opens a
// connection a call does it on each.
func findings(w io.Writer, r *report.Report, o options) {
	fmt.Fprintf(w, "Findings: %s, %s advice, %s info\n", plural(r.Summary.Findings.Violation, "violation"),
		number(r.Summary.Findings.Advice), number(r.Summary.Findings.Info))
	rows := [][]string{{"SEVERITY", "RULE", "AT FAULT", "CONN", "TIMES", "WHAT"}}
	for _, f := range grouped(r) {
		what := f.Summary
		if f.Evidence != "" {
			what += ": " + f.Evidence
		}
		rows = append(rows, []string{f.Severity, f.Rule, f.at, number(f.connections), number(f.times), what})
	}
	grid{
		columns: []column{{}, {}, {min: 12, tail: true}, {right: true}, {right: true}, {min: 20, first: true}},
		rows:    rows,
	}.write(w, o)
	fmt.Fprintln(w, "`viaduct rules RULE` explains each one.")
}

var ranks = map[string]int{"violation": 0, "advice": 1, "info": 2}

// grouped returns the groups, the gravest and most frequent first.
func grouped(r *report.Report) []*finding {
	type key struct{ rule, severity, at string }
	remote := make(map[string]string, len(r.Connections))
	for i := range r.Connections {
		remote[r.Connections[i].ID] = r.Connections[i].Remote
	}
	var all []*finding
	known := make(map[key]*finding)
	for i := range r.Findings {
		f := &r.Findings[i]
		k := key{f.Rule, f.Severity, atFault(f, remote[f.Connection])}
		g := known[k]
		if g == nil {
			g = &finding{Finding: f, at: k.at}
			known[k] = g
			all = append(all, g)
		}
		g.connections++
		g.times += uint64(f.Count)
	}
	slices.SortStableFunc(all, func(a, b *finding) int {
		return cmp.Or(cmp.Compare(ranks[a.Severity], ranks[b.Severity]), cmp.Compare(b.times, a.times), cmp.Compare(a.Rule, b.Rule))
	})
	return all
}

// atFault names the party, and the peer whose connection it was.
func atFault(f *report.Finding, remote string) string {
	switch {
	case f.Party == "peer":
		return "peer " + addressOf(remote)
	case f.Party == "local":
		return "local to " + addressOf(remote)
	case f.Address != "": // a capture does not tell whose it is
		return addressOf(f.Address)
	}
	return "? with " + addressOf(remote)
}

func addressOf(end string) string {
	if a, err := netip.ParseAddrPort(end); err == nil {
		return a.Addr().String()
	}
	return end
}
