// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
)

// message is the text of a SIP message. What the programs wrote is looked at as
// they wrote it, by other means than those of viaduct.
type message string

var compact = map[string]string{"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "k": "supported"}

// field returns the first header field of a name, given in lower case.
func (m message) field(name string) string {
	if all := m.fields(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (m message) fields(name string) (values []string) {
	head, _, _ := strings.Cut(string(m), "\r\n\r\n")
	for i, line := range strings.Split(head, "\r\n") {
		field, value, found := strings.Cut(line, ":")
		field = strings.ToLower(strings.TrimSpace(field))
		if i > 0 && found && (field == name || compact[field] == name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// via is the topmost Via.
func (m message) via() string {
	via, _, _ := strings.Cut(m.field("via"), ",")
	return via
}

func (m message) method() string {
	method, _, _ := strings.Cut(string(m), " ")
	if strings.HasPrefix(method, "SIP/") {
		return ""
	}
	return method
}

func (m message) status() string {
	if m.method() != "" || len(m) < 12 {
		return ""
	}
	return string(m[8:11])
}

// has says whether a value with parameters has one of a name, and what it is.
func has(value, name string) (string, bool) {
	for i, p := range strings.Split(value, ";") {
		key, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if i > 0 && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

func lacks(value string, names ...string) bool {
	for _, name := range names {
		if _, found := has(value, name); found {
			return false
		}
	}
	return true
}

// reply answers a request, with a tag in To and with more header lines.
func (m message) reply(status string, more ...string) message {
	lines := []string{"SIP/2.0 " + status}
	for _, via := range m.fields("via") {
		lines = append(lines, "Via: "+via)
	}
	to := m.field("to")
	if lacks(to[strings.Index(to, ">")+1:], "tag") {
		to += ";tag=scripted"
	}
	lines = append(lines, "From: "+m.field("from"), "To: "+to, "Call-ID: "+m.field("call-id"), "CSeq: "+m.field("cseq"))
	return message(strings.Join(append(lines, more...), "\r\n") + "\r\nContent-Length: 0\r\n\r\n")
}

// alterVia changes the topmost Via, of what is a message.
func (m message) alterVia(change func(string) string) message {
	if m == "" {
		return ""
	}
	return message(strings.Replace(string(m), m.via(), change(m.via()), 1))
}

var serial atomic.Int64

// request makes one with a branch and a Call-ID of its own; viaParameters go
// before the branch, such as "alias;".
func request(method, target, transport string, from netip.AddrPort, viaParameters string, more ...string) message {
	n := serial.Add(1)
	lines := []string{
		fmt.Sprintf("%s %s SIP/2.0", method, target),
		fmt.Sprintf("Via: SIP/2.0/%s %s;%sbranch=z9hG4bK-interop-%d", strings.ToUpper(transport), from, viaParameters, n),
		"Max-Forwards: 70",
		fmt.Sprintf("From: <sip:probe@example.com>;tag=%d", n),
		"To: <sip:probe@example.com>",
		fmt.Sprintf("Call-ID: %d@example.org", n),
		"CSeq: " + strconv.FormatInt(n, 10) + " " + method,
	}
	return message(strings.Join(append(lines, more...), "\r\n") + "\r\nContent-Length: 0\r\n\r\n")
}

// as makes a request one of another user than probe.
func (m message) as(user string) message {
	return message(strings.ReplaceAll(string(m), "sip:probe@", "sip:"+user+"@"))
}
