// SPDX-License-Identifier: Apache-2.0

package top

import (
	"fmt"
	"strings"

	"github.com/viaduct-project/viaduct/agent/report"
)

// draw draws m.
func (m *model) draw() *canvas {
	c := newCanvas(m.width, m.height)
	if m.width < 40 || m.height < 8 {
		c.put(0, 0, m.width, "too small", plain)
		return c
	}
	m.drawHead(c)
	switch {
	case m.help:
		drawHelp(c)
	case m.detail:
		m.drawDetail(c)
	default:
		m.drawList(c)
	}
	m.drawFoot(c)
	return c
}

func (m *model) drawHead(c *canvas) {
	n := &m.counts
	x := c.put(0, 0, 8, "viaduct", strong) + 1
	if m.page == nil {
		c.put(x, 0, m.width, "waiting for the first answer", dim)
		return
	}
	x += c.put(x, 0, 24, n.Host.Name, plain) + 2
	x += c.put(x, 0, m.width, fmt.Sprintf("%d open, %d ended, %d messages  ", n.Open, n.Closed, n.Messages), plain)
	for _, s := range []struct {
		letter string
		n      int
		style  style
	}{{"V", n.Findings.Violation, bad}, {"A", n.Findings.Advice, warn}, {"i", n.Findings.Info, info}} {
		st := s.style
		if s.n == 0 {
			st = dim
		}
		x += c.put(x, 0, m.width, fmt.Sprintf("%s %d  ", s.letter, s.n), st)
	}
	if lost := n.Lost.Total(); lost > 0 {
		c.put(x, 0, m.width, fmt.Sprintf("%d not seen or kept", lost), bad)
	}
	x = c.put(0, 1, m.width, "sort "+m.sort(), dim)
	if m.query.Reverse {
		x += c.put(x, 1, m.width, " reversed", dim)
	}
	for _, f := range []struct{ name, value string }{
		{"", m.query.State}, {"", m.query.Transport}, {"findings from ", m.query.Severity}, {"text ", m.query.Text},
	} {
		if f.value != "" {
			x += c.put(x, 1, m.width, "  "+f.name+f.value, info)
		}
	}
	if m.frozen {
		x += c.put(x, 1, m.width, "  FROZEN", warn)
	}
	clock := m.page.At.Local().Format("15:04:05")
	if !m.failed.IsZero() {
		c.put(x+2, 1, m.width, fmt.Sprintf("no answer since %s: %v", m.failed.Local().Format("15:04:05"), m.err), bad)
	} else if m.width-len(clock) > x {
		c.put(m.width-len(clock), 1, m.width, clock, dim)
	}
}

// column is one of the list; width 0 takes what is left, at most.
type column struct {
	title string
	width int
	right bool
	value func(*report.Connection) (string, style)
}

func (m *model) columns() []column {
	all := []column{
		{"REMOTE", 22, false, func(l *report.Connection) (string, style) {
			return map[string]string{"local": ">", "remote": "<", "unknown": " "}[l.Initiator] + l.Remote, lived(l)
		}},
		{"PROCESS", 9, false, func(l *report.Connection) (string, style) {
			if l.Process == nil {
				return "-", dim
			}
			return l.Process.Name, lived(l)
		}},
		{"VIA", 3, false, func(l *report.Connection) (string, style) { return l.Transport, lived(l) }},
		{"CLASS", 5, false, func(l *report.Connection) (string, style) { return classes[l.Class.Observed], lived(l) }},
		{"AGREED", 13, false, func(l *report.Connection) (string, style) {
			if what := agreed(&l.Negotiated); what != "-" {
				return what, good
			}
			return "-", dim
		}},
		{"REQ", 6, true, func(l *report.Connection) (string, style) {
			return fmt.Sprintf("%d/%d", l.Messages.RequestsSent, l.Messages.RequestsReceived), lived(l)
		}},
		{"KA", 6, true, func(l *report.Connection) (string, style) {
			k := &l.Keepalives
			return fmt.Sprintf("%d/%d", k.PingsSent+k.StunSent, k.PingsReceived+k.StunReceived), lived(l)
		}},
		{"IDLE", 7, true, idle},
	}
	if spare := m.width - 80; spare > 0 {
		all[0].width += min(spare, 26)
		if spare -= 26; spare > 20 {
			all = append(all, column{"BECAUSE", spare - 1, false, func(l *report.Connection) (string, style) {
				return strings.Join(l.Class.Because, "; "), dim
			}})
		}
	}
	return all
}

var classes = map[string]string{"persistent": "pers", "bidirectional-ephemeral": "bi", "unidirectional-ephemeral": "uni", "undetermined": "?"}

func lived(l *report.Connection) style {
	if l.Close != nil {
		return dim
	}
	return plain
}

// idle is how long an open connection has been silent, and how another ended.
func idle(l *report.Connection) (string, style) {
	if l.Close == nil {
		if p := promised(&l.Negotiated); p > 0 && l.IdleSeconds != nil && *l.IdleSeconds > p {
			return seconds(l.IdleSeconds), bad
		}
		return seconds(l.IdleSeconds), plain
	}
	how := "closed"
	if l.Close.How != nil {
		how = *l.Close.How
	}
	s := dim
	if how == "rst" || l.Close.PendingTransactions > 0 {
		s = bad
	}
	return map[string]string{"local": ">", "remote": "<"}[l.Close.By] + how, s
}

func (m *model) drawList(c *canvas) {
	columns := m.columns()
	c.fill(2, head)
	m.drawRow(c, 2, columns, "", head, func(col column) (string, style) { return col.title, head })
	lines := m.lines()
	if len(lines) == 0 && m.page != nil {
		c.put(2, 4, m.width, "No connection is like that.", dim)
	}
	for i := m.first; i < len(lines) && i-m.first < m.room(); i++ {
		l, y := &lines[i], 3+i-m.first
		over := plain
		if l.ID == m.chosen {
			over = chosen
			c.fill(y, chosen)
		}
		mark, markStyle := worst(l, m.page.Findings)
		if over == chosen {
			markStyle = chosen
		}
		m.drawRow(c, y, columns, mark, markStyle, func(col column) (string, style) {
			text, s := col.value(l)
			if over == chosen {
				s = chosen
			}
			return text, s
		})
	}
}

func (m *model) drawRow(c *canvas, y int, columns []column, mark string, markStyle style, of func(column) (string, style)) {
	c.put(0, y, 1, mark, markStyle)
	x := 2
	for _, col := range columns {
		text, s := of(col)
		if n := len([]rune(text)); col.right && n < col.width {
			text = strings.Repeat(" ", col.width-n) + text
		}
		c.put(x, y, col.width, text, s)
		x += col.width + 1
	}
}

// worst is the gravest finding on l, by a letter.
func worst(l *report.Connection, findings []report.Finding) (string, style) {
	mark, s := " ", plain
	for _, i := range l.Findings {
		switch findings[i].Severity {
		case "violation":
			return "V", bad
		case "advice":
			mark, s = "A", warn
		case "info":
			if mark == " " {
				mark, s = "i", info
			}
		}
	}
	return mark, s
}

func (m *model) drawFoot(c *canvas) {
	y := m.height - 1
	if m.typing {
		c.put(0, y, m.width, "filter by text: "+m.typed+"_   (Enter: apply, Esc: leave)", strong)
		return
	}
	keys := "q quit  Enter detail  / filter  s sort  o open  v findings  space freeze  ? help"
	if m.detail {
		keys = "Esc back to the list  ↑↓ scroll  space freeze  q quit"
	} else if m.page != nil && m.page.Next != nil {
		keys = fmt.Sprintf("the first %d of more  ", len(m.lines())) + keys
	}
	c.put(0, y, m.width, keys, dim)
}
