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
		by, kept, longest := u.By, u.MeanSeconds, u.LongestSeconds
		if by == "nobody" && u.KernelSeconds != nil {
			by, kept, longest = "the kernel", u.KernelSeconds, u.KernelSeconds
		}
		rows = append(rows, []string{
			arrow(c) + c.Remote, "by " + by, promise(u), seconds(kept), seconds(longest), answered, roundTrip(u.RoundTripSeconds), means(u),
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

// roundTrip is most often shorter than a tenth of a second.
func roundTrip(s *float64) string {
	if s == nil || *s >= 1 {
		return seconds(s)
	}
	return fmt.Sprintf("%.1fms", *s*1000)
}

// means says what viaduct does, and why that.
func means(u *report.Upkeep) string {
	switch {
	case u.Method == nil:
		return "-"
	case u.State != "fine":
		return *u.Method + ", " + u.State + ": " + u.Because
	}
	said := *u.Method + ": " + u.Because
	if u.ProbesUnanswered != nil && *u.ProbesUnanswered > 0 {
		said += fmt.Sprintf("; unanswered: %d", *u.ProbesUnanswered)
	}
	return said
}
