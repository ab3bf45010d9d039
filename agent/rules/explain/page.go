// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bufio"
	"fmt"
	"io"
)

const preface = `# Rules

What viaduct checks, generated from the table that the checks are in
(` + "`viaduct rules --format markdown`" + `). ` + "`viaduct rules ID`" + ` shows one rule at the
terminal, with flows that break it and flows that hold it.

A rule is **judged** (it raises findings), **recognised** (it cannot be broken
by itself: it decides the class of a connection or how other rules judge),
**by policy** (it needs a threshold that only the operator can give) or **not
observable here** (the reason stands beside it). A violation is a MUST or a
guarantee that was broken, advice a SHOULD or a MUST that the field ignores,
info nobody's fault.

A finding is raised once for each cause and connection, or peer, and then
counted up. Where the evidence is not whole (the connection is older than the
observation, bytes were lost, half of a dialog was seen) the rules that need it
stay silent.
`

// Page writes all rules as one page of Markdown.
func Page(w io.Writer, all []Entry) error {
	b := bufio.NewWriter(w)
	b.WriteString(preface)
	standings := make(map[string]int)
	for _, e := range all {
		standings[e.Standing]++
	}
	fmt.Fprintf(b, "\n%d rules: %d judged, %d recognised, %d by policy, %d not observable here.\n", len(all),
		standings["judged"], standings["recognised"], standings["by policy"], standings["not observable here"])
	family := ""
	for i := range all {
		e := &all[i]
		if e.Family != family {
			family = e.Family
			fmt.Fprintf(b, "\n## %s\n", family)
		}
		section(b, e)
	}
	return b.Flush()
}

func section(w io.Writer, e *Entry) {
	fmt.Fprintf(w, "\n### %s\n\n%s\n\n", e.ID, e.Asks)
	fmt.Fprintf(w, "- %s, %s; %s\n", e.Severity, e.Standing, e.Source)
	if e.Fault != "" && e.Fault != "-" {
		fmt.Fprintf(w, "- at fault: %s\n", e.Fault)
	}
	if e.Finding != "" {
		fmt.Fprintf(w, "- finding: %s\n", e.Finding)
	}
	if e.Silent != "" {
		fmt.Fprintf(w, "- silent: %s\n", e.Silent)
	}
}
