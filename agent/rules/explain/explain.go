// SPDX-License-Identifier: Apache-2.0

// Package explain writes the catalogue of rules for people: as a list, one
// rule with its examples, or the whole as a page.
package explain

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/viaduct-project/viaduct/agent/rule"
)

// Entry is one rule as users see it.
type Entry struct {
	ID       string `json:"id"`
	Family   string `json:"family"`
	Source   string `json:"source"`
	Severity string `json:"severity"`
	Standing string `json:"standing"`
	Fault    string `json:"fault"`
	Asks     string `json:"asks"`
	Finding  string `json:"finding,omitempty"` // summary, if it is judged
	Silent   string `json:"silent,omitempty"`
	Example  string `json:"example,omitempty"` // flows that break and that hold it
}

// Entries returns the rules of the families in their order.
func Entries(families []rule.Family) []Entry {
	var all []Entry
	for i := range families {
		f := &families[i]
		for j := range f.Rules {
			all = append(all, entry(f, &f.Rules[j]))
		}
	}
	return all
}

func entry(f *rule.Family, r *rule.Rule) Entry {
	e := Entry{
		ID: r.ID, Family: f.Name, Source: r.Source, Severity: r.Severity.String(), Standing: r.Standing.String(),
		Fault: r.Fault, Asks: r.Asks, Finding: r.Broken, Silent: r.Silent,
	}
	if flow, err := fs.ReadFile(f.Flows, "flows/"+r.ID+".flow"); err == nil {
		e.Example = strings.TrimSpace(string(flow))
	}
	return e
}

// List writes a line for each rule.
func List(w io.Writer, all []Entry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tSEVERITY\tSTANDING\tSOURCE\tASKS")
	for _, e := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", e.ID, e.Severity, e.Standing, e.Source, e.Asks)
	}
	return t.Flush()
}

// One writes all about one rule.
func One(w io.Writer, e *Entry) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s: %s, %s\n\n", e.ID, e.Severity, e.Standing)
	for _, line := range []struct{ name, text string }{
		{"asks", e.Asks}, {"finding", e.Finding}, {"at fault", e.Fault}, {"silent", e.Silent}, {"source", e.Source},
	} {
		if line.text != "" {
			fmt.Fprintf(b, "%-10s%s\n", line.name, wrap(line.text, 70, "          "))
		}
	}
	if e.Example != "" {
		fmt.Fprintf(b, "\n%s\n", e.Example)
	}
	return b.Flush()
}

// wrap breaks text into lines; all but the first begin with indent.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case n+1+len(word) > width:
			b.WriteString("\n" + indent)
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}
