// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"errors"
	"fmt"
	"strings"
)

// problem is an error and the line it is on.
type problem struct {
	line int
	err  error
}

func (p *problem) Error() string { return fmt.Sprintf("line %d: %v", p.line, p.err) }
func (p *problem) Unwrap() error { return p.err }

func wrong(line int, format string, args ...any) error {
	return &problem{line, fmt.Errorf(format, args...)}
}

var errQuote = errors.New(`a " is not closed`)

// words cuts a line at blanks that are not within quotes. A word that begins
// with # starts a note.
func words(line string) (all []string, note string, err error) {
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' {
			i++
			continue
		}
		if line[i] == '#' {
			return all, strings.TrimSpace(line[i+1:]), nil
		}
		start, quoted := i, false
		for ; i < len(line) && (quoted || line[i] != ' ' && line[i] != '\t'); i++ {
			switch {
			case quoted && line[i] == '\\':
				i++
			case line[i] == '"':
				quoted = !quoted
			}
		}
		if quoted {
			return nil, "", errQuote
		}
		all = append(all, line[start:min(i, len(line))])
	}
	return all, "", nil
}

// indent returns the width of the blanks that line begins with; a tab is as
// wide as eight.
func indent(line string) int {
	n := 0
	for _, c := range line {
		switch c {
		case ' ':
			n++
		case '\t':
			n += 8
		default:
			return n
		}
	}
	return n
}

// option returns the value of "key=value" among args.
func option(args []string, key string) (value string, ok bool) {
	for _, a := range args {
		if k, v, has := strings.Cut(a, "="); has && k == key {
			return v, true
		}
	}
	return "", false
}

func has(args []string, word string) bool {
	for _, a := range args {
		if a == word {
			return true
		}
	}
	return false
}
