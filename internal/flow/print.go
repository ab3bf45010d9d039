// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"strings"

	"github.com/viaduct-project/viaduct/internal/event"
)

// String returns the file in the form that it reads best in: parsed again it
// is the same file but for the numbers of the lines.
func (f *File) String() string {
	var b strings.Builder
	for _, line := range strings.Split(f.Comment, "\n") {
		if f.Comment != "" {
			b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
		}
	}
	for i := range f.Sections {
		s := &f.Sections[i]
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		if s.Kind != Plain {
			b.WriteString("== " + string(s.Kind))
			if s.Title != "" {
				b.WriteString(": " + s.Title)
			}
			b.WriteString("\n")
		}
		b.WriteString(s.String())
	}
	return b.String()
}

// String returns the section without its heading.
func (s *Section) String() string {
	var b strings.Builder
	writeSteps(&b, s.Steps, "")
	for _, e := range s.Expect {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

// String returns the line that says so.
func (e Expect) String() string {
	parts := []string{"expect", e.ID}
	for _, p := range []string{e.Fault, e.Severity} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Count > 0 {
		parts = append(parts, fmt.Sprintf("count=%d", e.Count))
	}
	return strings.Join(parts, " ")
}

func writeSteps(b *strings.Builder, steps []Step, indent string) {
	for i := range steps {
		st := &steps[i]
		line := strings.Join(append(st.words(), st.Args...), " ")
		if st.Note != "" {
			line += "  # " + st.Note
		}
		b.WriteString(indent + strings.TrimRight(line, " ") + "\n")
		for _, f := range st.Fields {
			b.WriteString(strings.TrimRight(indent+"  "+f.Name+f.Op+" "+f.Value, " ") + "\n")
		}
		if st.Verb == "repeat" {
			writeSteps(b, st.Steps, indent+"  ")
			b.WriteString(indent + "end\n")
		}
	}
}

// words are the statement without its arguments.
func (st *Step) words() []string {
	switch st.Verb {
	case "#":
		return []string{"#", st.What}
	case "+":
		return []string{"+" + st.Wait.String()}
	case "repeat":
		return []string{"repeat", fmt.Sprint(st.Times)}
	case "tcp", "tls", "udp":
		if st.What == "" {
			return []string{st.Verb, st.Conn}
		}
		return []string{st.Verb, st.Conn, st.What}
	case "open":
		return []string{st.Verb, st.Conn}
	case "send", "stop":
		side := map[event.Side]string{event.Local: ">", event.Remote: "<"}[st.From]
		return []string{st.Conn + side, st.What}
	}
	return []string{st.Verb}
}
