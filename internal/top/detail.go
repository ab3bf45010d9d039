// SPDX-License-Identifier: Apache-2.0

package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
)

// text is a line of the details.
type text struct {
	string
	style
}

func (m *model) drawDetail(c *canvas) {
	at := m.at()
	if at < 0 {
		c.put(2, 3, m.width, "This connection is not in the list any more (Esc: back).", dim)
		return
	}
	all := details(&m.lines()[at], m.page.Findings, m.width-4)
	m.scroll = min(m.scroll, max(0, len(all)-(m.height-4)))
	for i, line := range all[m.scroll:] {
		if y := 2 + i; y < m.height-1 {
			c.put(2, y, m.width-3, line.string, line.style)
		}
	}
}

func details(l *report.Connection, findings []report.Finding, width int) (all []text) {
	add := func(s style, format string, args ...any) {
		all = append(all, wrap(fmt.Sprintf(format, args...), width, s)...)
	}
	add(strong, "%s  %s  %s → %s", l.ID, l.Transport, l.Local, l.Remote)
	process := "not known"
	if l.Process != nil {
		process = fmt.Sprintf("%s (pid %d)", l.Process.Name, l.Process.PID)
	}
	add(plain, "process %s, peer %s, opened by %s %s", process, l.Peer, l.Initiator, when(l.Opened))
	if l.Close != nil {
		how := "closed"
		if l.Close.How != nil {
			how = *l.Close.How
		}
		add(plain, "ended %s: %s by %s, idle for %s, %d pending", when(l.Closed), how, l.Close.By, seconds(l.Close.IdleSeconds), l.Close.PendingTransactions)
	} else {
		add(plain, "idle for %s, %d transactions pending", seconds(l.IdleSeconds), l.PendingTransactions)
	}
	add(plain, "used as %s", l.Class.Observed)
	for _, b := range l.Class.Because {
		add(dim, "  %s", b)
	}
	if a := agreed(&l.Negotiated); a != "-" {
		add(good, "agreed: %s", a)
	}
	m, k := &l.Messages, &l.Keepalives
	add(plain, "requests %d sent, %d received; responses %d, %d; %d retransmitted, %d malformed",
		m.RequestsSent, m.RequestsReceived, m.ResponsesSent, m.ResponsesReceived, m.Retransmissions, m.Malformed)
	add(plain, "keep-alives %d sent, %d received; answers %d, %d; %d unanswered",
		k.PingsSent+k.StunSent, k.PingsReceived+k.StunReceived, k.PongsSent, k.PongsReceived, k.Unanswered)
	add(plain, "%d bytes sent, %d received; %d segments retransmitted; handshake %s, round trip %s",
		l.BytesSent, l.BytesReceived, l.Retransmits, seconds(l.HandshakeSeconds), seconds(l.SRTTSeconds))
	for _, i := range l.Findings {
		f := &findings[i]
		add(plain, "")
		add(map[string]style{"violation": bad, "advice": warn, "info": info}[f.Severity], "%s %s: %s", strings.ToUpper(f.Severity), f.Rule, f.Summary)
		add(plain, "  %s", f.Evidence)
		add(dim, "  %s; at fault: %s %s; %d times, last %s", f.Source, f.Party, f.Address, f.Count, f.Last.Local().Format("15:04:05"))
	}
	if l.History != nil {
		add(plain, "")
		add(strong, "what went over it")
		all = append(all, went(l.History)...)
	}
	return all
}

// went lists the history, the newest first.
func went(h *report.History) (all []text) {
	for i := len(h.Marks) - 1; i >= 0; i-- {
		mark := &h.Marks[i]
		words := strings.Fields(fmt.Sprintf("%s %s", strings.TrimSuffix(strings.TrimSuffix(mark.Kind, "request"), "response"), mark.Method))
		if mark.Status != 0 {
			words = append(words, fmt.Sprint(mark.Status))
		}
		if mark.Again {
			words = append(words, "again")
		}
		s := plain
		if mark.Status >= 400 || mark.Kind == "malformed" {
			s = bad
		}
		at := h.Since.Add(time.Duration(mark.At * float64(time.Second))).Local().Format("15:04:05.000")
		all = append(all, text{fmt.Sprintf("%s  %-6s  %s", at, mark.From, strings.Join(words, " ")), s})
		if h.LeftOut > 0 && i == h.First {
			all = append(all, text{fmt.Sprintf("… %d are not kept …", h.LeftOut), dim})
		}
	}
	return all
}

// wrap breaks s at blanks, where it can.
func wrap(s string, width int, st style) (all []text) {
	runes := []rune(s)
	for len(runes) > width {
		cut := width
		for i := width; i > width/2; i-- {
			if runes[i] == ' ' {
				cut = i
				break
			}
		}
		all = append(all, text{string(runes[:cut]), st})
		runes = append([]rune("    "), []rune(strings.TrimLeft(string(runes[cut:]), " "))...)
	}
	return append(all, text{string(runes), st})
}

func when(t *time.Time) string {
	if t == nil {
		return "at an unknown time"
	}
	return t.Local().Format("15:04:05")
}

// agreed is what was negotiated, short enough for a column.
func agreed(n *report.Negotiated) string {
	var all []string
	if k := n.Keep; k != nil {
		switch {
		case k.Agreed == nil:
			all = append(all, "keep?")
		case *k.Agreed && k.Seconds != nil:
			all = append(all, fmt.Sprintf("keep=%d", *k.Seconds))
		default:
			all = append(all, "no-keep")
		}
	}
	if n.Outbound != nil && n.Outbound.Agreed {
		all = append(all, "ob")
	}
	if n.Alias != nil {
		all = append(all, "alias")
	}
	if n.Persistent != nil {
		all = append(all, "pers:"+n.Persistent.Outcome)
	}
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, ",")
}

// promised is within how many seconds a keep-alive is due, 0 if none is.
func promised(n *report.Negotiated) float64 {
	switch {
	case n.Keep != nil && n.Keep.Agreed != nil && *n.Keep.Agreed && n.Keep.Seconds != nil:
		return float64(*n.Keep.Seconds)
	case n.Outbound != nil && n.Outbound.Agreed && n.Outbound.FlowTimerSeconds != nil:
		return float64(*n.Outbound.FlowTimerSeconds)
	}
	return 0
}

// seconds is a duration in at most seven characters.
func seconds(s *float64) string {
	switch {
	case s == nil:
		return "-"
	case *s <= 0:
		return "0s"
	case *s < 0.001:
		return fmt.Sprintf("%.0fµs", *s*1e6)
	case *s < 1:
		return fmt.Sprintf("%.0fms", *s*1e3)
	case *s < 10:
		return fmt.Sprintf("%.1fs", *s)
	case *s < 60:
		return fmt.Sprintf("%.0fs", *s)
	case *s < 3600:
		return fmt.Sprintf("%dm%02ds", int(*s)/60, int(*s)%60)
	case *s < 86400:
		return fmt.Sprintf("%dh%02dm", int(*s)/3600, int(*s)%3600/60)
	}
	return fmt.Sprintf("%dd%02dh", int(*s)/86400, int(*s)%86400/3600)
}

func drawHelp(c *canvas) {
	for i, line := range []string{
		"Keys", "",
		"  ↑ ↓ PgUp PgDn Home End   move in the list, or scroll the details",
		"  Enter, Esc               the details of a connection, and back",
		"  /                        filter by text: of an address, process, peer, …",
		"  s, r                     sort by the next column, the other way round",
		"  o, t                     open or closed ones only, tcp, tls or udp only",
		"  v                        with findings only, of at least a severity",
		"  Esc                      in the list: no filter",
		"  space                    freeze, and go on",
		"  q                        quit", "",
		"In the list: > opened here, < opened by the remote; findings: V violation,",
		"A advice, i info; KA keep-alives; sent/received; ob outbound; IDLE since the",
		"last byte, or how it ended: <fin by the remote, >rst by this host.",
	} {
		c.put(2, 3+i, c.width-3, line, plain)
	}
}
