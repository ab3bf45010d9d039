// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bytes"
	"time"

	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var lengthMissing = rule.Rule{
	ID:       "TP-14",
	Source:   "RFC 3261 sections 18.3, 20.14 and 7.5",
	Severity: rule.Violation,
	Fault:    "sender",
	Asks:     "On a stream every message has a Content-Length.",
	Broken:   "A message on a stream has no Content-Length",
	Silent:   "The message was found again after bytes that were lost. Without the field the message is taken to have no body.",
	Check: rule.Check{Defect: func(x *rule.Scene) {
		if x.Item.Code == sipparse.CodeLengthMissing && framedWell(x) {
			x.Raise(x.Writer(), "%s", startLine(x.Item.Head))
		}
	}},
}

// framedWell says whether x.Item is what was sent, as far as is known.
func framedWell(x *rule.Scene) bool {
	return x.Conn.Stream() && !x.Conn.Incomplete && !x.Item.Recovered
}

func startLine(head []byte) []byte {
	line, _, _ := bytes.Cut(bytes.TrimLeft(head, "\r\n"), []byte("\r\n"))
	return line
}

var lengthInvalid = rule.Rule{
	ID:       "TP-15",
	Source:   "RFC 3261 section 20.14, RFC 4475 sections 3.1.2.3 and 3.3.9",
	Severity: rule.Violation,
	Fault:    "sender",
	Asks:     "A message has one Content-Length, a decimal number. On a stream nobody knows otherwise where the next message begins, and the connection should be closed.",
	Broken:   "A Content-Length is no number, or there are several that differ",
	Silent: "The message was found again after bytes that were lost. The same number twice is tolerated. " +
		"A receiver that keeps such a connection for 32 s is worth an advice.",
	Check: rule.Check{Only: rule.Datagram, Defect: badLength, Request: badDatagram, Response: badDatagram},
}

func badLength(x *rule.Scene) {
	if x.Item.Code != sipparse.CodeLengthInvalid && x.Item.Code != sipparse.CodeLengthConflict || !framedWell(x) {
		return
	}
	x.Raise(x.Writer(), "%s", lengths(x.Item.Head))
	reader := x.Reader()
	x.After(32*time.Second, func(x *rule.Scene) {
		if x.Conn.Open() {
			x.RaiseFor(1, rule.Advice, reader, "the connection was kept for 32 s after its framing was lost")
		}
	})
}

func badDatagram(x *rule.Scene) {
	if x.Msg.Length.Present && !x.Msg.Length.Valid && x.Conn.Transport == event.UDP && !x.Conn.Incomplete {
		x.Raise(x.Writer(), "%s", lengths(x.Msg.Head))
	}
}

// lengths quotes the Content-Length fields of a message.
func lengths(head []byte) []byte {
	var p sipparse.Parser
	if _, err := p.Start(head); err != nil {
		return nil
	}
	var lines []byte
	for p.Next() {
		if h := p.Field(); h.ID == sipparse.HeaderContentLength {
			if lines != nil {
				lines = append(lines, ", "...)
			}
			lines = append(append(append(lines, h.Name...), ": "...), h.Value...)
		}
	}
	return lines
}

var bodyShort = rule.Rule{
	ID:       "TP-16",
	Source:   "RFC 3261 section 18.3",
	Severity: rule.Violation,
	Fault:    "sender",
	Asks:     "A datagram holds as many bytes of body as its Content-Length says; more are ignored.",
	Broken:   "A datagram does not hold the body that its Content-Length announces",
	Silent:   "The head of the message was cut off by the observer. More bytes than announced are worth an info.",
	Check:    rule.Check{Only: rule.Datagram, Request: bodyOf, Response: bodyOf},
}

func bodyOf(x *rule.Scene) {
	m := x.Msg
	if x.Conn.Transport != event.UDP || !m.Length.Valid || m.Size == m.BodyAt+int(m.Length.N) {
		return
	}
	if m.BodyAt >= len(m.Head) && m.Size > len(m.Head) {
		return // where the body begins was not seen
	}
	switch got := m.Size - m.BodyAt; {
	case got < int(m.Length.N):
		x.Raise(x.Writer(), "Content-Length: %d, the datagram has %d bytes of body", m.Length.N, got)
	case got > int(m.Length.N):
		x.RaiseFor(1, rule.Info, x.Writer(), "Content-Length: %d, the datagram has %d bytes of body", m.Length.N, got)
	}
}

var leadingCRLF = rule.Rule{
	ID:       "TP-17",
	Source:   "RFC 3261 section 7.5",
	Severity: rule.Advice,
	Fault:    "receiver",
	Asks:     "CRLFs in front of the start line of a message are ignored.",
	Broken:   "CRLFs in front of the first message were answered by 400 or by closing the connection",
	Silent:   "Judged for CRLFs before the first message on a connection only: later ones may be keep-alives, and an end that follows them is chance.",
	Check:    rule.Check{Only: rule.Failure, Beat: crlf, Response: answered400, Ended: closedOnCRLF},
}

const atOnce = time.Second

func crlf(x *rule.Scene) {
	if x.Conn.Stream() && x.Conn.LastSIP[index(x.Dir)] == 0 && len(x.Beat.Raw) == 0 && x.Conn.Whole() {
		markOf(x.Conn).lead[index(x.Dir)] = x.Now
	}
}

func answered400(x *rule.Scene) {
	if x.Msg.Status != 400 || x.Tx == nil || x.Tx.Conn != x.Conn || !x.Conn.Stream() {
		return
	}
	m := note.Of[mark](x.Conn.Notes, note.Transport)
	if m == nil || x.Conn.Messages.RequestsSent+x.Conn.Messages.RequestsReceived != 1 {
		return
	}
	if lead := m.lead[index(x.Tx.Dir)]; lead != 0 && x.Tx.Start.Sub(lead) <= atOnce {
		x.Raise(x.Writer(), "%s after %s with CRLF in front of it", startLine(x.Msg.Head), x.Tx.Offer.Label)
	}
}

func closedOnCRLF(x *rule.Scene) {
	c := x.Conn
	m := note.Of[mark](c.Notes, note.Transport)
	if m == nil || !deliberate(c) {
		return
	}
	writer, reader := event.In, event.Out
	if c.By == event.Remote {
		writer, reader = event.Out, event.In
	}
	if lead := m.lead[index(writer)]; lead != 0 && c.EndedAt.Sub(lead) <= atOnce && c.LastSIP[index(reader)] == 0 {
		x.Raise(c.By, "%s %.3f s after the CRLF", how(c), c.EndedAt.Sub(lead).Seconds())
	}
}
