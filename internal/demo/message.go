// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// keepSeconds is what the server answers to keep (RFC 6223). In the field it
// would be half a minute or more, which nobody watches a demo for.
const keepSeconds = 2

// request is one that opens a transaction of its own, outside of any dialog.
type request struct {
	method   string
	from, to *actor
	via      string   // parameters of the Via
	headers  []string // beside those that every request has
	body     body
}

type body struct{ kind, text string }

func (r request) String() string {
	uri, to := r.to.uri(), r.to
	if r.method == "REGISTER" { // RFC 3261 section 10.2: the domain, and the own address
		uri, to = "sip:example.com", r.from
	}
	lines := []string{
		r.method + " " + uri + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/TCP %v;branch=z9hG4bK%s%s", r.from.addr, rand.Text(), r.via),
		"Max-Forwards: 70",
		fmt.Sprintf("From: <sip:%s@example.com>;tag=%s", r.from.name, rand.Text()),
		fmt.Sprintf("To: <sip:%s@example.com>", to.name),
		"Call-ID: " + rand.Text(),
		"CSeq: 1 " + r.method,
	}
	return finish(append(lines, r.headers...), r.body)
}

// uri is where a is reached.
func (a *actor) uri() string { return fmt.Sprintf("sip:%s@%v;transport=tcp", a.name, a.addr) }

// response answers m as RFC 3261 section 8.2.6.2 says, with via for the Via.
func (m *message) response(status, via string, headers ...string) string {
	to := m.header.Get("To")
	if !strings.Contains(to, ";tag=") {
		to += ";tag=" + rand.Text()
	}
	lines := []string{
		"SIP/2.0 " + status,
		"Via: " + via,
		"From: " + m.header.Get("From"),
		"To: " + to,
		"Call-ID: " + m.header.Get("Call-ID"),
		"CSeq: " + m.header.Get("CSeq"),
	}
	return finish(append(lines, headers...), body{})
}

func finish(lines []string, b body) string {
	if b.kind != "" {
		lines = append(lines, "Content-Type: "+b.kind)
	}
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(b.text)), "", b.text)
	return strings.Join(lines, crlf)
}

// agreeKeep returns via with a value for its keep, if it offers a bare one.
func agreeKeep(via string) string {
	params := strings.Split(via, ";")
	for i, p := range params {
		if p == "keep" {
			params[i] = fmt.Sprintf("keep=%d", keepSeconds)
		}
	}
	return strings.Join(params, ";")
}

// text is what the MESSAGEs of the play carry, and offer what its INVITEs do.
var text = body{"text/plain", "One line of text."}

func offer(a *actor) body {
	host := a.addr.Addr()
	return body{"application/sdp", strings.Join([]string{
		"v=0",
		fmt.Sprintf("o=- 1 1 IN IP4 %v", host),
		"s=-",
		fmt.Sprintf("c=IN IP4 %v", host),
		"t=0 0",
		"m=audio 40000 RTP/AVP 0",
		"",
	}, crlf)}
}
