// SPDX-License-Identifier: Apache-2.0

package text

import (
	"fmt"
	"io"

	"github.com/viaduct-project/viaduct/agent/report"
)

// upkeep writes a line for each connection on which this host owes keep-alives.
func upkeep(w io.Writer, r *report.Report, o options) {
	rows := [][]string{{"REMOTE", "KEPT ALIVE", "PROMISED", "KEPT", "LONGEST", "ANSWERED", "RTT", "BY MEANS OF"}}
	for i := range r.Connections {
		c := &r.Connections[i]
		u := c.Upkeep
		if u == nil {
			continue
		}
		if len(rows) > o.rows {
			rows = append(rows, nil) // beyond the limit, only counted
			continue
		}
		answered := "-"
		if u.Answered != nil {
			answered = *u.Answered
		}
		rows = append(rows, []string{
			arrow(c) + c.Remote, "by " + u.By, promise(u), seconds(u.MeanSeconds), seconds(u.LongestSeconds), answered,
			seconds(u.RoundTripSeconds), means(u),
		})
	}
	if len(rows) == 1 {
		return
	}
	fmt.Fprintln(w)
	grid{columns: []column{
		{min: 15, tail: true}, {}, {}, {right: true}, {right: true}, {}, {right: true}, {min: 12, first: true},
	}, rows: rows}.write(w, o)
}

func promise(u *report.Upkeep) string { return seconds(&u.PromisedSeconds) + " " + u.Basis }

// means says what viaduct does, and why that.
func means(u *report.Upkeep) string {
	switch {
	case u.Method == nil:
		return "-"
	case u.State != "fine":
		return *u.Method + ", " + u.State + ": " + u.Because
	}
	return *u.Method + ": " + u.Because
}
