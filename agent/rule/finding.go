// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"cmp"
	"net/netip"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Finding is one broken rule, by one cause.
type Finding struct {
	ID       uint64 // counts up as they are raised
	Rule     *Rule
	Severity Severity // the highest that it was raised with
	Party    event.Side
	Conn     *fact.Conn // where it was seen first
	First    event.Time
	Last     event.Time
	Count    uint32
	Evidence string // of the first
}

// key says what is the same cause.
type key struct {
	rule  *Rule
	conn  uint64     // PerConnection
	peer  netip.Addr // PerPeer
	party event.Side
	cause uint64
}

// Findings are what was raised, each cause once. Beyond the limit new ones are
// dropped and counted: the first ones explain more than the last.
type Findings struct {
	Dropped uint64

	// Tell is told of each cause once, of those too that find no room; may be nil.
	Tell func(*Rule, Severity, event.Side, *fact.Conn)

	limit int
	byKey map[key]*Finding
	all   []*Finding
}

func newFindings(limit int) Findings {
	return Findings{limit: limit, byKey: make(map[key]*Finding)}
}

// All returns the findings by their first time. They are the Engine's. What
// came late or was held for a while may be judged late, so they are not always
// raised in that order.
func (f *Findings) All() []*Finding {
	slices.SortStableFunc(f.all, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Rule.ID, b.Rule.ID),
			cmp.Compare(a.Conn.ID, b.Conn.ID), cmp.Compare(a.Party, b.Party))
	})
	return f.all
}

// Raised returns the findings in no order. They are the Engine's.
func (f *Findings) Raised() []*Finding { return f.all }

// Len is how many there are.
func (f *Findings) Len() int { return len(f.all) }

func (f *Findings) add(r *Rule, c *fact.Conn, cause uint64, s Severity, party event.Side, t event.Time, evidence func() string) {
	k := key{rule: r, party: party, cause: cause}
	if r.Scope == PerPeer {
		k.peer = c.Remote.Addr()
	} else {
		k.conn = c.ID
	}
	if known := f.byKey[k]; known != nil {
		known.Count++
		known.Last = max(known.Last, t)
		known.Severity = max(known.Severity, s)
		if t < known.First {
			known.First, known.Conn, known.Evidence = t, c, printable(evidence())
		}
		return
	}
	if f.Tell != nil {
		f.Tell(r, s, party, c)
	}
	if len(f.all) >= f.limit {
		f.Dropped++
		return
	}
	n := &Finding{ID: uint64(len(f.all)) + 1, Rule: r, Severity: s, Party: party, Conn: c, First: t, Last: t, Count: 1, Evidence: printable(evidence())}
	f.byKey[k] = n
	f.all = append(f.all, n)
}

// Judged are the rules that may be raised. They are the Engine's.
func (e *Engine) Judged() []*Rule { return e.judged }

// evidenceLimit keeps a hostile header from filling the report.
const evidenceLimit = 300

// printable replaces what a terminal would act on: evidence quotes messages.
func printable(s string) string {
	b := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case len(b) == evidenceLimit:
			return string(b) + "..."
		case r == utf8.RuneError || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp): // controls, and what turns the text around
			r = '.'
		}
		b = append(b, r)
	}
	return string(b)
}
