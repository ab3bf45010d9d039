// SPDX-License-Identifier: Apache-2.0

package top

import (
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/agent/query"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/view"
)

// linesMax is how many connections are fetched; who wants to see others
// filters.
const linesMax = 200

// answer is what was fetched for a query.
type answer struct {
	asked  view.Query
	page   *report.Page
	counts report.Counts
	err    error
	at     time.Time
}

// model is what is shown and what was chosen. Keys and answers change it; it
// does nothing itself.
type model struct {
	query  view.Query
	frozen bool
	quit   bool
	help   bool
	typing bool
	typed  string

	chosen string // ID
	first  int    // line at the top of the list
	detail bool
	scroll int // of the details

	answer
	failed time.Time // since when no answer has come, zero if one did

	width, height int
}

func newModel() *model {
	return &model{query: view.Query{Limit: linesMax}, width: 80, height: 24}
}

// take takes an answer, unless something else was asked for since, or nothing
// is to change.
func (m *model) take(a answer) {
	switch {
	case m.frozen && m.page != nil && a.asked == m.asked:
		return
	case a.asked != m.query:
		return
	case a.err != nil:
		m.err = a.err
		if m.failed.IsZero() {
			m.failed = a.at
		}
		return
	}
	m.answer, m.failed = a, time.Time{}
	m.keepChosen()
}

// keepChosen has the choice stay on its connection, wherever that is now.
func (m *model) keepChosen() {
	lines := m.lines()
	if len(lines) == 0 {
		return
	}
	if m.at() < 0 && !m.detail {
		m.chosen = lines[min(max(m.first, 0), len(lines)-1)].ID
	}
	m.show()
}

func (m *model) lines() []report.Connection {
	if m.page == nil {
		return nil
	}
	return m.page.Connections
}

// at is where the chosen connection is in the list, -1 if it is not.
func (m *model) at() int {
	return slices.IndexFunc(m.lines(), func(l report.Connection) bool { return l.ID == m.chosen })
}

// room is how many lines of the list there is room for.
func (m *model) room() int { return max(1, m.height-4) }

// move goes n lines down the list, or the details.
func (m *model) move(n int) {
	if m.detail {
		m.scroll = max(0, m.scroll+n)
		return
	}
	lines := m.lines()
	if len(lines) == 0 {
		return
	}
	m.chosen = lines[min(max(m.at()+n, 0), len(lines)-1)].ID
	m.show()
}

// show scrolls so that the chosen line is on the screen.
func (m *model) show() {
	at := max(0, m.at())
	m.first = min(max(min(m.first, at), at-m.room()+1), max(0, len(m.lines())-1))
}

// next is what comes behind value in a ring of values.
func next(ring []string, value string) string {
	return ring[(slices.Index(ring, value)+1)%len(ring)]
}

var (
	states     = []string{"", "open", "closed"}
	transports = []string{"", "tcp", "tls", "udp"}
	severities = []string{"", "info", "advice", "violation"}
)

// key is a key that was pressed: its character, or its name.
func (m *model) key(k string) {
	switch {
	case k == "Ctrl-C":
		m.quit = true
	case m.typing:
		m.typeKey(k)
	case m.help:
		m.help = false
	default:
		before := m.query
		m.command(k)
		m.changed(before)
	}
}

// changed goes to the top of the list if it is another one than before.
func (m *model) changed(before view.Query) {
	if m.query != before {
		m.chosen, m.first = "", 0
	}
}

func (m *model) typeKey(k string) {
	switch k {
	case "Enter":
		before := m.query
		m.query.Text, m.typing = query.Lower(m.typed), false
		m.changed(before)
	case "Esc":
		m.typing = false
	case "Backspace":
		if r := []rune(m.typed); len(r) > 0 {
			m.typed = string(r[:len(r)-1])
		}
	default:
		if len([]rune(k)) == 1 && len(m.typed) < 80 {
			m.typed += k
		}
	}
}

func (m *model) command(k string) {
	switch k {
	case "q":
		m.quit = true
	case "?", "h":
		m.help = true
	case "Up", "k":
		m.move(-1)
	case "Down", "j":
		m.move(1)
	case "PgUp":
		m.move(-m.room())
	case "PgDn":
		m.move(m.room())
	case "Home", "g":
		m.move(-1 << 20)
	case "End", "G":
		if !m.detail {
			m.move(1 << 20)
		}
	case "Enter":
		m.detail, m.scroll = m.at() >= 0, 0
	case "Esc":
		if m.detail {
			m.detail = false
			m.keepChosen()
		} else {
			m.query = view.Query{Limit: linesMax, Order: m.query.Order}
		}
	case " ", "f":
		m.frozen = !m.frozen
	case "/":
		m.typing, m.typed = true, m.query.Text
	case "s":
		m.query.By = next(query.Connections, m.sort())
	case "r":
		m.query.By, m.query.Reverse = m.sort(), !m.query.Reverse
	case "o":
		m.query.State = next(states, m.query.State)
	case "t":
		m.query.Transport = next(transports, m.query.Transport)
	case "v":
		m.query.Severity = next(severities, m.query.Severity)
	}
}

func (m *model) sort() string {
	if m.query.By == "" {
		return query.Connections[0]
	}
	return m.query.By
}
