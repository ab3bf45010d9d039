// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/flow/compose"
)

const (
	maxWait  = 1000 * time.Hour
	maxTimes = 10000
	maxNest  = 3
)

var connName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)

// line reads one line, whose number is n.
func (p *parser) line(line string, n int) error {
	line = strings.TrimRight(line, " \t\r")
	trimmed := strings.TrimLeft(line, " \t")
	if trimmed == "" {
		return nil
	}
	if p.target != nil && indent(line) > p.last {
		return p.field(trimmed, n)
	}
	p.target = nil
	if text, ok := strings.CutPrefix(trimmed, "#"); ok {
		p.add(Step{Line: n, Verb: "#", What: strings.TrimSpace(text)})
		return nil
	}
	all, note, err := words(trimmed)
	if err != nil {
		return &problem{n, err}
	}
	s := Step{Line: n, Verb: all[0], Args: all[1:], Note: note}
	if err := p.statement(&s); err != nil {
		return &problem{n, err}
	}
	switch s.Verb {
	case "expect":
		return nil
	case "end":
		p.open = p.open[:len(p.open)-1]
		return nil
	}
	added := p.add(s)
	switch s.Verb {
	case "repeat":
		p.open = append(p.open, added)
	case "send":
		p.last, p.target = indent(line), added
	}
	return nil
}

var fieldLine = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9.!%*_~-]*?)(\+:|:|-$)[ \t]*(.*)$`)

// field reads an indented line below a message.
func (p *parser) field(line string, n int) error {
	if !p.target.takesFields() {
		return wrong(n, "indented lines belong below a SIP message; this is below %q", p.target.What)
	}
	m := fieldLine.FindStringSubmatch(line)
	if m == nil {
		return wrong(n, `indented line %q: allowed are "Name: value", "Name+: value", "Name-" and "body: text"`, line)
	}
	p.target.Fields = append(p.target.Fields, Edit{m[2], compose.Field{Name: m[1], Value: m[3]}})
	return nil
}

func (s *Step) takesFields() bool {
	return isMethod(s.What) || isStatus(s.What) || s.What == "forward"
}

func isStatus(word string) bool {
	n, err := strconv.Atoi(word)
	return err == nil && len(word) == 3 && n >= 100 && n <= 699
}

// statement reads the words of a line into s.
func (p *parser) statement(s *Step) error {
	switch s.Verb {
	case "tcp", "tls", "udp":
		return s.declaration()
	case "open":
		return s.name("open NAME")
	case "listen", "unlisten":
		if len(s.Args) < 2 || s.Args[0] != "tcp" && s.Args[0] != "udp" {
			return fault("%s: write %s tcp|udp ADDRESS:PORT", s.Verb, s.Verb)
		}
		if _, err := address(s.Args[1], 0); err != nil {
			return err
		}
		return check(s.Verb, s.Args[2:], listenArgs)
	case "exit":
		if _, ok := option(s.Args, "pid"); !ok {
			return fault("exit: write exit pid=NUMBER")
		}
		return check("exit", s.Args, listenArgs)
	case "policy":
		p.section.Policy = strings.Join(s.Args, " ")
		if p.section.Policy == "" {
			return fault("policy: write policy {class: persistent}, or other keys of a row")
		}
		return nil
	case "profile":
		p.section.Profile = append(p.section.Profile, s.Args...)
		return check("profile", s.Args, profileArgs)
	case "repeat":
		return p.repeat(s)
	case "end":
		if len(p.open) == 0 {
			return fault(`"end" without "repeat"`)
		}
		return check("end", s.Args, nil)
	case "expect":
		return p.expect(s)
	}
	if strings.HasPrefix(s.Verb, "+") {
		return s.wait()
	}
	return s.traffic()
}

func (s *Step) name(usage string) error {
	if len(s.Args) != 1 || !connName.MatchString(s.Args[0]) {
		return fault("write %s", usage)
	}
	s.Conn, s.Args = s.Args[0], nil
	return nil
}

func (s *Step) declaration() error {
	if len(s.Args) == 0 || !connName.MatchString(s.Args[0]) || slices.Contains(statements, s.Args[0]) {
		return fault("%s: write %s NAME ...; a name is small letters and digits and none of %s", s.Verb, s.Verb, strings.Join(statements, " "))
	}
	s.Conn, s.Args = s.Args[0], s.Args[1:]
	if s.Verb == "udp" {
		return check("udp "+s.Conn, s.Args, udpArgs)
	}
	if len(s.Args) == 0 || s.Args[0] != "in" && s.Args[0] != "out" {
		return fault("%s %s: say who opens it: in (the peer) or out (this host)", s.Verb, s.Conn)
	}
	s.What, s.Args = s.Args[0], s.Args[1:]
	allowed := connArgs
	if s.What == "in" {
		allowed = connArgs[:6]
	}
	if s.Verb == "tls" {
		allowed = slices.Concat(allowed, tlsArgs)
	}
	return check(s.Verb+" "+s.Conn+" "+s.What, s.Args, allowed)
}

func (s *Step) wait() error {
	d, err := time.ParseDuration(s.Verb[1:])
	if err != nil || d < 0 || d > maxWait {
		return fault("%q: write + and a duration up to %s, like +500ms, +32s, +2m30s", s.Verb, maxWait)
	}
	s.Verb, s.Wait = "+", d
	return check("+"+d.String(), s.Args, nil)
}

func (p *parser) repeat(s *Step) error {
	if len(s.Args) == 1 {
		s.Times, _ = strconv.Atoi(s.Args[0])
	}
	if s.Times < 1 || s.Times > maxTimes {
		return fault("repeat: write repeat NUMBER, 1 to %d", maxTimes)
	}
	if len(p.open) == maxNest {
		return fault("repeat: not deeper than %d", maxNest)
	}
	s.Args = nil
	return nil
}

func (p *parser) expect(s *Step) error {
	if len(p.open) > 0 {
		return fault("expect: not within repeat")
	}
	if len(s.Args) == 0 || !ruleID.MatchString(s.Args[0]) {
		return fault("expect: write expect RULE-ID, like expect KEEP-04 peer")
	}
	if err := check("expect "+s.Args[0], s.Args[1:], expectArgs); err != nil {
		return err
	}
	e := Expect{ID: s.Args[0]}
	for _, a := range s.Args[1:] {
		switch a {
		case "local", "peer", "unknown":
			if e.Fault != "" {
				return fault("expect %s: %s and %s at once", e.ID, e.Fault, a)
			}
			e.Fault = a
		case "violation", "advice", "info", "policy":
			if e.Severity != "" {
				return fault("expect %s: %s and %s at once", e.ID, e.Severity, a)
			}
			e.Severity = a
		default:
			n, err := strconv.Atoi(strings.TrimPrefix(a, "count="))
			if err != nil || n < 1 {
				return fault("expect %s: %q: count is a number from 1", e.ID, a)
			}
			e.Count = n
		}
	}
	p.section.Expect = append(p.section.Expect, e)
	return nil
}

// traffic reads "a> ..." and "a< ...", and "a timeout".
func (s *Step) traffic() error {
	name, side := s.Verb, event.Unknown
	switch {
	case strings.HasSuffix(name, ">"):
		name, side = name[:len(name)-1], event.Local
	case strings.HasSuffix(name, "<"):
		name, side = name[:len(name)-1], event.Remote
	}
	if !connName.MatchString(name) || slices.Contains(statements, name) || side == event.Unknown && (len(s.Args) == 0 || s.Args[0] != "timeout") {
		return fault("%q is no statement; allowed: %s, +DURATION, NAME> (this host does it), NAME< (the peer does it), NAME timeout, # comment", s.Verb, strings.Join(statements, " "))
	}
	if len(s.Args) == 0 {
		return fault("%s: say what is sent", s.Verb)
	}
	s.Conn, s.From, s.What, s.Args, s.Verb = name, side, s.Args[0], s.Args[1:], "send"
	if side == event.Unknown {
		s.Verb = "stop"
		return check("timeout", s.Args, nil)
	}
	return s.message()
}
