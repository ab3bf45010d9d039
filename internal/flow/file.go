// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/flow/compose"
)

// File is a parsed flow file.
type File struct {
	Name     string
	Comment  string // what stands above the first heading, without "# "
	Sections []Section
}

// Kind says what a section shows.
type Kind string

const (
	Plain  Kind = ""       // a file without headings
	Breaks Kind = "breaks" // a rule is broken
	Holds  Kind = "holds"  // the same rule is kept
)

// Section is one flow. It is not changed by playing it.
type Section struct {
	Kind    Kind
	Title   string
	Text    string // its lines as written, without the heading and the blank ends
	Line    int    // of the heading
	Steps   []Step
	Expect  []Expect
	Policy  string   // the row of the operator's policy that all connections belong to, in YAML; "" for none
	Profile []string // "nat", "draft01", "swamping=10", "flows=2": how the site's rules are set

	actions []Action
	end     time.Duration
}

// Expect is a finding that the flow raises.
type Expect struct {
	ID       string // "KEEP-04"
	Fault    string // "local", "peer", "unknown" or "", which is any
	Severity string // "violation", "advice", "info", "policy" or "", which is any
	Count    int    // how often; 0 is any number of times
}

// Step is one statement.
type Step struct {
	Line   int
	Verb   string     // see doc.go; "#" is a comment, "+" waits, "send" and "stop" are what a connection does
	Conn   string     // the connection
	From   event.Side // send, stop: whose bytes; Unknown if nobody's
	What   string     // send: method, status or word; comment: its text
	Args   []string   // the rest of the line, as written
	Fields []Edit     // the indented lines
	Wait   time.Duration
	Times  int
	Steps  []Step // of a repeat
	Note   string // comment at the end of the line
}

// Edit is an indented line below a message: "Name: value", "Name+: value" or
// "Name-".
type Edit struct {
	Op string // ":", "+:" or "-"
	compose.Field
}

// Duration returns how long the flow lasts.
func (s *Section) Duration() time.Duration { return s.end }

// Actions returns what happens, in order. They are the section's.
func (s *Section) Actions() []Action { return s.actions }
