// SPDX-License-Identifier: Apache-2.0

// Package policyfile reads the policy that operators write in YAML. It is
// strict: whatever it does not know, or cannot make sense of, is an error with
// its place and with what is allowed, and nothing of such a file is used.
package policyfile

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/viaduct-project/viaduct/agent/policy"
)

//go:embed default.yaml
var builtIn []byte

// Default is the policy of an agent that was given none.
func Default() *policy.Policy {
	p, err := Parse("default.yaml", builtIn)
	if err != nil {
		panic(err) // the tests read it
	}
	return p
}

// Problem is one thing that is wrong with a file.
type Problem struct {
	File         string
	Line, Column int
	What         string
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.What)
}

// Parse reads a file, whose name is for its errors. The error joins all
// [Problem]s, in the order of their lines.
func Parse(name string, text []byte) (*policy.Policy, error) {
	f, err := Read(name, text)
	if err != nil {
		return nil, err
	}
	return f.Policy, nil
}

// File is one that is right.
type File struct {
	Policy   *policy.Policy
	Warnings []*Problem // what is allowed, but perhaps not meant, by line

	name   string
	places map[string]*yaml.Node // rows by name
}

// At is a problem with a row that shows once the file has been read.
func (f *File) At(peer, what string) *Problem {
	n := f.places[peer]
	if n == nil { // the rows that say nothing, and the file as a whole
		n = &yaml.Node{Line: 1, Column: 1}
	}
	return &Problem{f.name, n.Line, n.Column, what}
}

// Read is Parse that keeps what viaduct policy check has to say of a file that
// is right.
func Read(name string, text []byte) (*File, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, syntax(name, err)
	}
	r := &reader{file: name, places: make(map[string]*yaml.Node)}
	p := &policy.Policy{}
	if len(root.Content) == 0 {
		r.fault(&yaml.Node{Line: 1, Column: 1}, "the file is empty: write at least `version: 1`")
	} else {
		r.policy(root.Content[0], p)
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b *Problem) int { return a.Line - b.Line })
		all := make([]error, len(r.problems))
		for i, problem := range r.problems {
			all[i] = problem
		}
		return nil, errors.Join(all...)
	}
	p.Compile()
	return &File{p, r.warnings, name, r.places}, nil
}

// syntax gives an error of the YAML reader our form: it names the line only.
func syntax(file string, err error) error {
	what, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if n, scanErr := fmt.Sscanf(what, "line %d:", &line); n == 1 && scanErr == nil {
		_, what, _ = strings.Cut(what, ": ")
	}
	return &Problem{file, line, 1, "not YAML: " + what}
}
