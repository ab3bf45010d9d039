// SPDX-License-Identifier: Apache-2.0

package text

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
)

// wide is from which width on the reason for the class is shown.
const wide = 130 // columns

// connections writes one line each, and on a terminal one for those that ended
// all alike: what asks for attention comes first, then the order of the report.
func connections(w io.Writer, r *report.Report, o options) {
	order := make([]*report.Connection, len(r.Connections))
	for i := range order {
		order[i] = &r.Connections[i]
	}
	slices.SortStableFunc(order, func(a, b *report.Connection) int {
		return cmp.Compare(attention(r, b), attention(r, a))
	})
	f := full
	if o.narrow() {
		f = brief
	}
	reasons := o.width == 0 || o.width >= wide
	holder, holds := "PROCESS", f.process
	if r.Source == "pcap" { // where processes do not show
		holder, holds = "LOCAL", func(c *report.Connection) string { return c.Local }
	}
	heading := []string{"REMOTE", holder, "VIA", "CLASS", "AGREED", "AGE", "IDLE", "REQ", "KA", "END"}
	columns := []column{
		{min: 15, tail: true}, {min: 7}, {}, {}, {min: 6},
		{right: true}, {right: true}, {right: true}, {right: true}, {min: 9},
	}
	if reasons {
		heading = append(heading, "BECAUSE")
		columns = append(columns, column{min: 20, first: true})
	}
	rows := [][]string{heading}
	alike := folds{}
	for _, c := range order {
		if len(rows) > o.rows {
			rows = append(rows, nil) // beyond the limit, only counted
			continue
		}
		row := []string{
			arrow(c) + c.Remote, holds(c), c.Transport, class(c), f.agreed(c), f.age(r, c), f.idle(c),
			counts(c.Messages.RequestsSent, c.Messages.RequestsReceived), alive(&c.Keepalives), f.end(c),
		}
		if reasons {
			row = append(row, strings.Join(c.Class.Because, "; "))
		}
		if o.width == 0 || !alike.fold(c, row, len(rows)) {
			rows = append(rows, row)
		}
	}
	folded := alike.count(rows)
	grid{columns: columns, rows: rows}.write(w, o)
	fmt.Fprintln(w, "> opened here, < opened by the remote; REQ requests, KA keep-alives: out/in")
	if folded {
		fmt.Fprintln(w, "xN: so many ended alike; the times are those of one of them")
	}
}

// attention is how much a connection asks for it.
func attention(r *report.Report, c *report.Connection) int {
	for _, i := range c.Findings {
		if i >= 0 && i < len(r.Findings) && r.Findings[i].Severity == "violation" {
			return 6
		}
	}
	switch {
	case len(c.Findings) > 0:
		return 5
	case c.Close != nil && c.Close.PendingTransactions > 0:
		return 4
	case c.Close != nil && c.Close.How != nil && *c.Close.How != "fin" && *c.Close.How != "expired":
		return 3
	case c.Keepalives.Unanswered > 0:
		return 2
	case c.Close == nil:
		return 1
	}
	return 0
}

func arrow(c *report.Connection) string {
	switch c.Initiator {
	case "local":
		return ">"
	case "remote":
		return "<"
	}
	return " "
}

// process is who holds the socket, and where there is room in what it runs.
func (f *form) process(c *report.Connection) string {
	name := "-"
	switch p := c.Process; {
	case p == nil:
	case p.Name == "":
		name = fmt.Sprint(p.PID)
	default:
		name = p.Name
	}
	if f.inside && c.Container != nil {
		return name + "@" + container(c.Container)
	}
	return name
}

// container is the best of its names: that of its pod, which tells it from its
// replicas, its own, or the beginning of its id, as the runtimes print it.
func container(c *report.Container) string {
	const short = 12
	switch {
	case c.Pod != nil:
		return *c.Pod
	case c.Name != nil:
		return *c.Name
	}
	return c.ID[:min(short, len(c.ID))]
}

var classes = map[string]string{
	"unidirectional-ephemeral": "uni", "bidirectional-ephemeral": "bi", "persistent": "pers", "undetermined": "?",
}

func class(c *report.Connection) string {
	if short, ok := classes[c.Class.Observed]; ok {
		return short
	}
	return c.Class.Observed
}

// form is how much room the cells may take.
type form struct {
	span                        func(time.Duration) string
	outbound, alias, persistent string
	by, pending                 string // of an ending
	inside                      bool   // the container is shown
}

var (
	full  = form{span, "outbound", "alias", "persistent", " by ", ", %d pending", true}
	brief = form{shortSpan, "outb", "alias", "pers", " ", " +%d", false}
)

// agreed lists what was agreed; what was only offered has a question mark.
func (f *form) agreed(c *report.Connection) string {
	var s []string
	n := &c.Negotiated
	if k := n.Keep; k != nil {
		switch {
		case k.Agreed != nil && *k.Agreed && k.Seconds != nil:
			s = append(s, fmt.Sprintf("keep=%d", *k.Seconds))
		case k.Agreed == nil:
			s = append(s, "keep?")
		}
	}
	if n.Outbound != nil {
		s = append(s, mark(f.outbound, n.Outbound.Agreed))
	}
	if n.Alias != nil {
		s = append(s, mark(f.alias, n.Alias.Used))
	}
	if p := n.Persistent; p != nil && p.Outcome != "declined" {
		s = append(s, mark(f.persistent, p.Outcome == "honoured" || p.Outcome == "agreed"))
	}
	if len(s) == 0 {
		return "-"
	}
	return strings.Join(s, ",")
}

func mark(what string, sure bool) string {
	if sure {
		return what
	}
	return what + "?"
}

func (f *form) age(r *report.Report, c *report.Connection) string {
	if c.Opened == nil {
		return "-"
	}
	if c.Closed != nil {
		return f.span(c.Closed.Sub(*c.Opened))
	}
	return f.span(r.Ended.Sub(*c.Opened))
}

func (f *form) idle(c *report.Connection) string {
	idle := c.IdleSeconds
	if c.Close != nil {
		idle = c.Close.IdleSeconds
	}
	if idle == nil {
		return "-"
	}
	return f.span(time.Duration(*idle * float64(time.Second)))
}

// alive counts pings and STUN requests.
func alive(k *report.Keepalives) string {
	return counts(k.PingsSent+k.StunSent, k.PingsReceived+k.StunReceived)
}

// end says how the connection ended, and what was pending then.
func (f *form) end(c *report.Connection) string {
	pending := func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf(f.pending, n)
	}
	if c.Close == nil {
		return "open" + pending(c.PendingTransactions)
	}
	how := "closed"
	if c.Close.How != nil {
		how = *c.Close.How
	}
	switch how {
	case "fin", "rst", "closed":
		how += f.by + c.Close.By
	}
	if c.Closed == nil {
		how = "half " + how
	}
	return how + pending(c.Close.PendingTransactions)
}
