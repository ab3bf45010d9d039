// SPDX-License-Identifier: Apache-2.0

// Package text writes a report for a person at a terminal: a line for each
// connection, the peers, and what was lost.
package text

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
)

// rows is how many lines a list has on a terminal. In a pipe it has them all.
const rows = 40

// options say what fits.
type options struct{ width, rows int }

// Write writes r to w, for a terminal of so many columns. A width of 0 is a
// pipe or a file: nothing is cut then.
func Write(w io.Writer, r *report.Report, width int) error {
	o := options{width: width, rows: rows}
	if width <= 0 {
		o = options{rows: math.MaxInt - 1}
	}
	b := bufio.NewWriter(w)
	heading(b, r)
	if len(r.Connections) > 0 {
		fmt.Fprintln(b)
		connections(b, r, o)
	}
	upkeep(b, r, o)
	if len(r.Peers) > 0 {
		fmt.Fprintln(b)
		peers(b, r, o)
	}
	if len(r.Findings) > 0 {
		fmt.Fprintln(b)
		findings(b, r, o)
	}
	if len(r.Actions) > 0 {
		fmt.Fprintln(b)
		actions(b, r, o)
	}
	fmt.Fprintln(b)
	losses(b, &r.Lost, o)
	return b.Flush()
}

func heading(w io.Writer, r *report.Report) {
	from, to := r.Started.UTC(), r.Ended.UTC()
	until := to.Format(time.TimeOnly)
	if to.Sub(from) >= 12*time.Hour {
		until = to.Format(time.DateTime)
	}
	fmt.Fprintf(w, "viaduct, %s, %s to %s UTC (%s)\n", clean(r.Source), from.Format(time.DateTime), until, span(to.Sub(from)))
	if len(r.Connections) == 0 {
		fmt.Fprintln(w, "No SIP connection was seen. Is there SIP traffic on the watched ports?")
		return
	}
	open := 0
	for i := range r.Connections {
		if r.Connections[i].Close == nil {
			open++
		}
	}
	fmt.Fprintf(w, "%s (%s open, %s persistent), %s\n", plural(r.Summary.Connections, "connection"),
		number(open), number(r.Summary.Persistent), plural(len(r.Peers), "peer"))
}

// losses says what the report is missing, or that it misses nothing.
func losses(w io.Writer, l *report.Lost, o options) {
	if l.Total() == 0 {
		fmt.Fprintln(w, "Nothing was lost.")
		return
	}
	fmt.Fprintln(w, "Lost, so this report is not complete:")
	for _, line := range []struct {
		n    uint64
		what string
	}{
		{l.RingFull, "kernel records: the ring was full"},
		{l.MapFull, "sockets: there was no room to remember them"},
		{l.QueueOverrun, "records: the queue to the core was full"},
		{l.CaptureDropped, "packets that the capture does not hold, as it says itself"},
		{l.Unreadable, "packets whose headers could not be read"},
		{l.Fragments, "datagrams of which fragments were missing"},
		{l.Truncated, "segments or datagrams were cut"},
		{l.SequenceGaps, fmt.Sprintf("gaps in TCP streams (%s bytes)", number(l.SequenceGapBytes))},
		{l.ParseErrors, "messages could not be read"},
		{l.Unclaimed, "segments without a connection"},
		{l.Implausible, "segments far outside of their stream"},
		{l.Evicted, "table entries or closed connections dropped at a limit"},
	} {
		if line.n > 0 {
			fmt.Fprintf(w, "%10s %s\n", number(line.n), line.what)
		}
	}
}
