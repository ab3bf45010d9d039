// SPDX-License-Identifier: Apache-2.0

// Package query says which of a million connections, or of the findings about
// them, somebody wants to see, and in which order.
package query

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Filter is what has to hold; the zero value lets everything pass. Text,
// Address and Process are compared without regard to case: give them in small
// letters.
type Filter struct {
	State     string // open, closed
	Transport string // tcp, tls, udp
	Class     string // as observed
	Peer      string // name in the policy
	Process   string // name or pid
	Address   string // part of an end's ADDRESS:PORT
	Rule      string // a finding on it is of this rule, or of one whose name begins so
	Severity  string // a finding on it is at least that grave: violation, advice, info
	Text      string // part of what names it, or what was negotiated on it
}

// choices are the values that fields with a closed set may have.
var choices = map[string][]string{
	"state":     {"open", "closed"},
	"transport": {"tcp", "tls", "udp"},
	"class":     {"unidirectional-ephemeral", "bidirectional-ephemeral", "persistent", "undetermined"},
	"severity":  {"violation", "advice", "info"},
}

// Parse reads a filter and an order, one of sorts, from parameters by name;
// others are left to the caller. It says what is wrong with a value that cannot
// be meant.
func Parse(get func(name string) string, sorts []string) (f Filter, o Order, err error) {
	sort, reverse := strings.CutPrefix(get("sort"), "-")
	for name, value := range map[string]*string{
		"state": &f.State, "transport": &f.Transport, "class": &f.Class, "peer": &f.Peer, "process": &f.Process,
		"address": &f.Address, "rule": &f.Rule, "severity": &f.Severity, "text": &f.Text,
	} {
		*value = get(name)
		if closed := choices[name]; closed != nil && *value != "" && !slices.Contains(closed, *value) {
			return f, o, fmt.Errorf("%s=%q: must be one of %s", name, *value, strings.Join(closed, ", "))
		}
	}
	f.Address, f.Text, f.Process = Lower(f.Address), Lower(f.Text), Lower(f.Process)
	f.Rule = strings.ToUpper(f.Rule)
	if sort != "" && !slices.Contains(sorts, sort) {
		return f, o, fmt.Errorf("sort=%q: must be one of %s, with - before it for the other way round", sort, strings.Join(sorts, ", "))
	}
	return f, Order{By: sort, Reverse: reverse}, nil
}

// Lower is text as filters want it.
func Lower(text string) string { return strings.ToLower(text) }

// ByFindings says whether findings decide about a connection.
func (f *Filter) ByFindings() bool { return f.Rule != "" || f.Severity != "" }

// Finding says whether a finding of that rule and severity is meant.
func (f *Filter) Finding(rule, severity string) bool {
	return Grave(severity) >= Grave(f.Severity) && strings.HasPrefix(rule, f.Rule)
}

// Grave orders severities, 0 is none.
func Grave(severity string) int {
	switch severity {
	case "violation":
		return 3
	case "advice":
		return 2
	case "info":
		return 1
	}
	return 0
}

// Line is what a connection is found by.
type Line struct {
	Open                           bool
	Transport, Class, Peer         string
	Process, PID                   string
	Local, Remote                  []byte // ADDRESS:PORT
	Keep, Alias, Persist, Outbound bool   // was negotiated
}

// Match says whether l is meant, but for what findings decide.
func (f *Filter) Match(l *Line) bool {
	switch {
	case f.State == "open" && !l.Open, f.State == "closed" && l.Open,
		f.Transport != "" && f.Transport != l.Transport,
		f.Class != "" && f.Class != l.Class,
		f.Peer != "" && f.Peer != l.Peer,
		f.Process != "" && f.Process != l.PID && f.Process != strings.ToLower(l.Process),
		f.Address != "" && !in(l.Local, f.Address) && !in(l.Remote, f.Address):
		return false
	}
	return f.Text == "" || f.named(l)
}

func (f *Filter) named(l *Line) bool {
	t := f.Text
	return in(l.Local, t) || in(l.Remote, t) || strings.Contains(strings.ToLower(l.Peer), t) ||
		strings.Contains(strings.ToLower(l.Process), t) || l.PID == t || strings.Contains(l.Class, t) || l.Transport == t ||
		l.Keep && t == "keep" || l.Alias && t == "alias" || l.Persist && t == "persistent" || l.Outbound && t == "outbound"
}

func in(b []byte, part string) bool { return bytes.Contains(b, []byte(part)) }
