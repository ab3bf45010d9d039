// SPDX-License-Identifier: Apache-2.0

package text

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/viaduct-project/viaduct/agent/report"
)

// actions writes what the policy had done, or in a dry run would have: a line
// for each connection, or address, that it was done to.
func actions(w io.Writer, r *report.Report, o options) {
	fmt.Fprintf(w, "Actions of the policy: %s\n", number(len(r.Actions)))
	rows := [][]string{{"ACTION", "MODE", "OUTCOME", "TO", "TIMES", "WHY"}}
	sorted := slices.Clone(r.Actions)
	slices.SortStableFunc(sorted, func(a, b report.Action) int {
		return cmp.Or(cmp.Compare(results[a.Outcome], results[b.Outcome]), cmp.Compare(b.Count, a.Count))
	})
	for i := range sorted {
		a := &sorted[i]
		to := addressOf(a.Remote)
		if a.Connection != "" {
			to = a.Connection + " " + a.Remote
		}
		rows = append(rows, []string{a.Action, a.Mode, a.Outcome, to, number(a.Count), a.Reason})
	}
	grid{
		columns: []column{{}, {}, {}, {min: 12, tail: true}, {right: true}, {min: 20, first: true}},
		rows:    rows,
	}.write(w, o)
}

// results by what a reader looks for first.
var results = map[string]int{"failed": 0, "done": 1, "skipped": 2}
