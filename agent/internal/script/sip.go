// SPDX-License-Identifier: Apache-2.0

package script

import (
	"fmt"
	"strings"
)

// Msg is a SIP message; empty fields get a plain value.
type Msg struct {
	Method string // of the request, or of the one that is answered
	Status int    // 0 for a request
	Via    string // "SIP/2.0/TCP 192.0.2.1:5060" by default; parameters follow in Params
	Params string // ";keep" and the like
	Branch string // z9hG4bK and this
	CallID string
	CSeq   int
	From   string // tag
	To     string // tag, none by default
	More   string // header lines, each with its CRLF
	Body   string
}

// String returns the message as it goes on the wire.
func (m Msg) String() string {
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	def(&m.Via, "SIP/2.0/TCP 192.0.2.1:5060")
	def(&m.Branch, "a1")
	def(&m.CallID, "call1@example.com")
	def(&m.From, "f1")
	if m.CSeq == 0 {
		m.CSeq = 1
	}
	var b strings.Builder
	if m.Status == 0 {
		fmt.Fprintf(&b, "%s sip:bob@example.com SIP/2.0\r\n", m.Method)
	} else {
		fmt.Fprintf(&b, "SIP/2.0 %d Reason\r\n", m.Status)
	}
	fmt.Fprintf(&b, "Via: %s;branch=z9hG4bK%s%s\r\n", m.Via, m.Branch, m.Params)
	fmt.Fprintf(&b, "From: <sip:alice@example.com>;tag=%s\r\nTo: <sip:bob@example.com>", m.From)
	if m.To != "" {
		fmt.Fprintf(&b, ";tag=%s", m.To)
	}
	fmt.Fprintf(&b, "\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", m.CallID, m.CSeq, m.Method)
	if m.Status == 0 {
		b.WriteString("Max-Forwards: 70\r\n")
	}
	fmt.Fprintf(&b, "%sContent-Length: %d\r\n\r\n%s", m.More, len(m.Body), m.Body)
	return b.String()
}

// Reply returns the response to m: same Via, Call-ID, CSeq and tags.
func (m Msg) Reply(status int) Msg {
	m.Status, m.More, m.Body = status, "", ""
	if m.To == "" && status > 100 {
		m.To = "t1"
	}
	return m
}
