// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
)

// played lists the cases that were played, for their findings.
var played struct {
	sync.Mutex
	labs []*lab
}

// Cleanup notes, before the first thing is taken down, when the case ended:
// what viaduct finds later is about the taking down.
func (l *lab) Cleanup(f func()) {
	l.T.Cleanup(func() {
		if l.end.IsZero() {
			l.end = time.Now()
			played.Lock()
			played.labs = append(played.labs, l)
			played.Unlock()
		}
		f()
	})
}

// finding is one that viaduct makes about a program.
type finding struct{ program, rule, severity string }

// findings yields those about programs, with the case that each came up in.
// Those about the scripted peers are left out.
func findings(r *report.Report) iter.Seq2[*lab, report.Finding] {
	connections := make(map[string]*report.Connection)
	for i := range r.Connections {
		connections[r.Connections[i].ID] = &r.Connections[i]
	}
	return func(yield func(*lab, report.Finding) bool) {
		for _, l := range played.labs {
			for _, f := range r.Findings {
				c := connections[f.Connection]
				if c == nil || f.Time.After(l.end) {
					continue
				}
				if f.Party = l.about(c, f.Party); f.Party != "" && !yield(l, f) {
					return
				}
			}
		}
	}
}

// found sorts the cases by finding.
func found(r *report.Report) map[finding][]string {
	all := make(map[finding][]string)
	for l, f := range findings(r) {
		key, name := finding{f.Party, f.Rule, f.Severity}, strings.TrimPrefix(l.Name(), "Test")
		if strings.HasPrefix(name, "Kept/") && !strings.HasPrefix(f.Rule, "POL-") {
			continue // of the same programs as elsewhere; of these cases what keep-alives do to them counts
		}
		if !slices.Contains(all[key], name) {
			all[key] = append(all[key], name)
		}
	}
	for _, cases := range all {
		slices.Sort(cases)
	}
	return all
}

// printFindings gives each with what viaduct says of it.
func printFindings(r *report.Report) {
	for l, f := range findings(r) {
		fmt.Printf("%s: %s: %s %s: %s [%s]\n", l.Name(), f.Party, f.Severity, f.Rule, f.Summary, f.Evidence)
	}
}

// about names the program that a finding blames, if it is one of this case.
func (l *lab) about(c *report.Connection, party string) string {
	local, remote := address(c.Local), address(c.Remote)
	if local != l.a.addr && local != l.b.addr {
		return ""
	}
	programs := l.programs[local]
	if party == "local" && c.Process != nil && slices.Contains(programs, c.Process.Name) {
		return c.Process.Name
	}
	// Of what a script sees, where one program is at the other end.
	if other := l.programs[remote]; party != "local" && len(programs) == 0 && len(other) == 1 {
		return other[0]
	}
	return ""
}

func address(s string) netip.Addr {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr()
}

var findingInPage = regexp.MustCompile(`(?m)^\| ([a-z-]+) \| ([A-Z0-9]+-[A-Z0-9]+) \| (violation|advice|info) \| ([^|]*) \|`)

// compareFindings wants the page's table of findings to be that of a run of all
// tests. A case with a question mark may be missing: its timing varies.
func compareFindings(r *report.Report) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	have := found(r)
	var wrong []string
	for _, m := range findingInPage.FindAllStringSubmatch(string(text), -1) {
		key := finding{m[1], m[2], m[3]}
		cases := have[key]
		delete(have, key)
		for written := range strings.SplitSeq(m[4], ", ") {
			name, optional := strings.CutSuffix(written, "?")
			i := slices.Index(cases, name)
			if i >= 0 {
				cases = slices.Delete(cases, i, i+1)
			} else if !optional {
				wrong = append(wrong, fmt.Sprintf("%s %s %s was not found in %s", key.program, key.rule, key.severity, name))
			}
		}
		if len(cases) > 0 {
			wrong = append(wrong, fmt.Sprintf("%s %s %s was also found in %s", key.program, key.rule, key.severity, strings.Join(cases, ", ")))
		}
	}
	for key, cases := range have {
		wrong = append(wrong, fmt.Sprintf("| %s | %s | %s | %s | is not in the page", key.program, key.rule, key.severity, strings.Join(cases, ", ")))
	}
	if wrong == nil {
		return nil
	}
	slices.Sort(wrong)
	return errors.New("findings:\n" + strings.Join(wrong, "\n"))
}
