// SPDX-License-Identifier: Apache-2.0

// Package compose writes the bytes of SIP and STUN messages, right ones and
// wrong ones alike: nothing is checked, and what is given goes on the wire.
package compose

import (
	"fmt"
	"slices"
	"strings"
)

// Field is one header line.
type Field struct{ Name, Value string }

// Via is one Via value: the protocol and sent-by, and the parameters in order,
// each "name" or "name=value".
type Via struct {
	Head   string
	Params []string
}

// Message is a SIP message in the order in which it is written: start-line,
// Vias, fields, body.
type Message struct {
	Start  string
	Vias   []Via
	Fields []Field
	Body   string
}

// String returns the message as it goes on the wire.
func (m *Message) String() string {
	var b strings.Builder
	b.WriteString(m.Start + "\r\n")
	for i := range m.Vias {
		b.WriteString("Via: " + m.Vias[i].String() + "\r\n")
	}
	for _, f := range m.Fields {
		b.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	b.WriteString("\r\n" + m.Body)
	return b.String()
}

// Clone returns a copy that shares nothing that can change.
func (m *Message) Clone() Message {
	c := *m
	c.Vias = slices.Clone(m.Vias)
	for i := range c.Vias {
		c.Vias[i].Params = slices.Clone(c.Vias[i].Params)
	}
	c.Fields = slices.Clone(m.Fields)
	return c
}

// compact holds the short forms of RFC 3261 section 20 and the RFCs that came
// later with more.
var compact = map[string]string{
	"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
	"c": "content-type", "k": "supported", "s": "subject", "e": "content-encoding",
	"o": "event", "u": "allow-events", "r": "refer-to",
}

// Same says whether two field names mean the same field.
func Same(a, b string) bool { return full(a) == full(b) }

func full(name string) string {
	name = strings.ToLower(name)
	if long, ok := compact[name]; ok {
		return long
	}
	return name
}

// All returns the values of a field, in order.
func (m *Message) All(name string) []string {
	var all []string
	for _, f := range m.Fields {
		if Same(f.Name, name) {
			all = append(all, f.Value)
		}
	}
	return all
}

// Get returns the first value of a field, "" if there is none.
func (m *Message) Get(name string) string {
	for _, f := range m.Fields {
		if Same(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Add appends a field.
func (m *Message) Add(name, format string, args ...any) {
	m.Fields = append(m.Fields, Field{name, fmt.Sprintf(format, args...)})
}

// Remove takes all fields of that name out.
func (m *Message) Remove(name string) {
	m.Fields = slices.DeleteFunc(m.Fields, func(f Field) bool { return Same(f.Name, name) })
}

// Replace puts one field in the place of the first of its name, or at the end.
func (m *Message) Replace(name, value string) {
	i := slices.IndexFunc(m.Fields, func(f Field) bool { return Same(f.Name, name) })
	if i < 0 {
		m.Fields = append(m.Fields, Field{name, value})
		return
	}
	m.Fields[i] = Field{name, value}
	rest := slices.DeleteFunc(m.Fields[i+1:], func(f Field) bool { return Same(f.Name, name) })
	m.Fields = m.Fields[:i+1+len(rest)]
}
