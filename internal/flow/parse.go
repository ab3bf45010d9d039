// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// ParseFile reads a flow file. name is used in errors, which have the form
// NAME:LINE: what is wrong, and what is allowed; and if it is a rule's ID and
// ".flow", its sections have to be about that rule.
func ParseFile(name string, text []byte) (*File, error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s: not UTF-8", name)
	}
	p := &parser{file: &File{Name: name}, rule: ruleOf(name)}
	if err := p.parse(string(text)); err != nil {
		var at *problem
		if errors.As(err, &at) {
			return nil, fmt.Errorf("%s:%d: %w", name, at.line, at.err)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p.file, nil
}

var ruleID = regexp.MustCompile(`^[A-Z]+-[0-9]+$`)

// ruleOf returns the rule that a file is about, "" if its name says none.
func ruleOf(name string) string {
	id, ok := strings.CutSuffix(path.Base(name), ".flow")
	if !ok || !ruleID.MatchString(id) {
		return ""
	}
	return id
}

type parser struct {
	file    *File
	rule    string
	section *Section
	open    []*Step // repeats that are not ended
	lines   []string
	last    int // indentation of the newest statement, if that takes indented lines
	target  *Step
}

func (p *parser) parse(text string) error {
	p.lines = strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	head, first := p.heading()
	if head {
		p.file.Comment = comment(p.lines[:first])
	} else {
		first = 0
		p.begin(Plain, "", 1)
	}
	start := first
	for i := first; i < len(p.lines); i++ {
		if strings.HasPrefix(p.lines[i], "==") {
			if err := p.finish(start, i); err != nil {
				return err
			}
			if err := p.headline(p.lines[i], i+1); err != nil {
				return err
			}
			start = i + 1
			continue
		}
		if err := p.line(p.lines[i], i+1); err != nil {
			return err
		}
	}
	return p.finish(start, len(p.lines))
}

// heading finds the first one; only comments and blank lines may be above it.
func (p *parser) heading() (ok bool, at int) {
	for i, l := range p.lines {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "==") {
			return true, i
		}
		if l != "" && l[0] != '#' {
			return false, 0
		}
	}
	return false, 0
}

func comment(lines []string) string {
	var all []string
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			all = append(all, strings.TrimSpace(l[1:]))
		}
	}
	return strings.Join(all, "\n")
}

func (p *parser) headline(line string, n int) error {
	rest := strings.TrimSpace(strings.TrimPrefix(line, "=="))
	kind, title, _ := strings.Cut(rest, ":")
	switch k := Kind(strings.TrimSpace(kind)); k {
	case Breaks, Holds:
		p.begin(k, strings.TrimSpace(title), n)
		return nil
	}
	return wrong(n, `heading %q: allowed are "== breaks" and "== holds", each with ": title" or without`, line)
}

func (p *parser) begin(kind Kind, title string, n int) {
	p.file.Sections = append(p.file.Sections, Section{Kind: kind, Title: title, Line: n})
	p.section = &p.file.Sections[len(p.file.Sections)-1]
	p.target = nil
}

// finish checks the section whose lines are from start to end.
func (p *parser) finish(start, end int) error {
	s := p.section
	if s == nil {
		return nil
	}
	if len(p.open) > 0 {
		return wrong(p.open[0].Line, `"repeat" has no "end"`)
	}
	s.Text = strings.Trim(strings.Join(p.lines[start:end], "\n"), "\n")
	about := func(e Expect) bool { return p.rule == "" || e.ID == p.rule }
	switch {
	case s.Kind == Breaks && !slices.ContainsFunc(s.Expect, about):
		return wrong(s.Line, `section "breaks" says no finding: add a line "expect %s peer" or "... local"`, cmpOr(p.rule, "RULE-01"))
	case s.Kind == Holds && len(s.Expect) > 0:
		return wrong(s.Line, `section "holds" expects a finding; only a section "breaks" may`)
	}
	return s.build()
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// add puts a step where it belongs: into the innermost repeat.
func (p *parser) add(s Step) *Step {
	list := &p.section.Steps
	if len(p.open) > 0 {
		list = &p.open[len(p.open)-1].Steps
	}
	*list = append(*list, s)
	return &(*list)[len(*list)-1]
}
