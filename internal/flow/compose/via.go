// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"slices"
	"strings"
)

// ParseVia cuts a Via value at its semicolons.
func ParseVia(value string) Via {
	parts := Split(value, ';')
	return Via{Head: strings.TrimSpace(parts[0]), Params: parts[1:]}
}

// String returns the value as it is written.
func (v *Via) String() string {
	if len(v.Params) == 0 {
		return v.Head
	}
	return v.Head + ";" + strings.Join(v.Params, ";")
}

// Split cuts s at each sep that is neither in a quoted string nor in angle
// brackets.
func Split(s string, sep byte) []string {
	var parts []string
	quoted, bracket, start := false, false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			bracket = true
		case c == '>':
			bracket = false
		case c == sep && !bracket:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func named(name string) func(string) bool {
	return func(param string) bool {
		n, _, _ := strings.Cut(param, "=")
		return strings.EqualFold(strings.TrimSpace(n), name)
	}
}

// Param returns the value of a parameter, and whether there is one of that
// name.
func (v *Via) Param(name string) (value string, ok bool) {
	i := slices.IndexFunc(v.Params, named(name))
	if i < 0 {
		return "", false
	}
	_, value, _ = strings.Cut(v.Params[i], "=")
	return value, true
}

// Edit changes parameters: "name" and "name=value" set one, in its place if it
// is there; "-name" takes all of that name out; "+name..." adds one more.
func (v *Via) Edit(edit string) {
	if name, ok := strings.CutPrefix(edit, "-"); ok {
		v.Params = slices.DeleteFunc(v.Params, named(name))
		return
	}
	if param, ok := strings.CutPrefix(edit, "+"); ok {
		v.Params = append(v.Params, param)
		return
	}
	name, _, _ := strings.Cut(edit, "=")
	if i := slices.IndexFunc(v.Params, named(strings.TrimSpace(name))); i >= 0 {
		v.Params[i] = edit
		return
	}
	v.Params = append(v.Params, edit)
}

// Proto and SentBy return the two halves of the head, and SetHead writes them.
func (v *Via) Proto() string  { p, _, _ := strings.Cut(v.Head, " "); return p }
func (v *Via) SentBy() string { _, s, _ := strings.Cut(v.Head, " "); return s }

// SetHead writes the protocol and sent-by.
func (v *Via) SetHead(proto, sentBy string) { v.Head = proto + " " + sentBy }
