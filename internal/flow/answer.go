// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"slices"
	"strconv"
	"strings"

	"github.com/viaduct-project/viaduct/internal/flow/compose"
)

// asked finds the request that a response is about: the one that re= names, or
// the newest of the other side on this connection without a final response.
func (b *builder) asked(st *Step, c *Conn) (*message, error) {
	if re, ok := option(st.Args, "re"); ok {
		about := b.named[re]
		switch {
		case about == nil:
			return nil, fault("%s re=%s: no message has that name", st.What, re)
		case about.status != 0:
			return about.request, nil
		}
		return about, nil
	}
	name, byCall := option(st.Args, "call")
	for _, r := range slices.Backward(b.requests) {
		if r.conn == c && r.from == Other(st.From) && r.final == nil && r.method != "ACK" && (!byCall || r.call.name == name) {
			return r, nil
		}
	}
	return nil, fault("%s: no request of the other side on %s waits for a response; name one with as= and re=", st.What, c.Name)
}

// answer makes a response as RFC 3261 section 8.2.6 says.
func (b *builder) answer(st *Step, c *Conn) (*message, error) {
	request, err := b.asked(st, c)
	if err != nil {
		return nil, err
	}
	status, _ := strconv.Atoi(st.What)
	m := &message{
		conn: c, from: st.From, call: request.call, party: 1 - request.party,
		method: request.method, cseq: st.intOption("cseq", request.cseq), status: status, request: request,
	}
	m.text.Start = compose.StatusLine(status)
	m.text.Vias = request.seen()
	to, toTag, _ := strings.Cut(request.text.Get("To"), ";tag=")
	from, fromTag, _ := strings.Cut(request.text.Get("From"), ";tag=")
	if toTag == "" && status > 100 {
		toTag = m.call.tag[m.party]
	}
	m.tags(st, &fromTag, &toTag)
	m.text.Add("From", "%s", tagged(from, fromTag))
	m.text.Add("To", "%s", tagged(to, toTag))
	m.text.Add("Call-ID", "%s", request.text.Get("Call-ID"))
	m.text.Add("CSeq", "%d %s", m.cseq, strings.TrimLeft(request.text.Get("CSeq"), "0123456789 "))
	m.fields()
	if err := b.finish(st, m); err != nil {
		return nil, err
	}
	m.settle(toTag)
	return m, nil
}

// fields adds what a response of its status and method needs.
func (m *message) fields() {
	success := m.status >= 200 && m.status < 300
	dialog := slices.Contains(makes, m.method) && m.status > 100 && m.status < 300
	if dialog {
		for _, r := range m.request.text.All("Record-Route") { // section 12.1.1
			m.text.Add("Record-Route", "%s", r)
		}
	}
	switch {
	case success && m.method == "REGISTER":
		m.bindings()
	case dialog, success && m.method == "UPDATE":
		m.text.Add("Contact", "%s", m.contact())
	}
	if e := m.request.text.Get("Expires"); success && e != "" && (m.method == "SUBSCRIBE" || m.method == "PUBLISH") {
		m.text.Add("Expires", "%s", e)
	}
	if success && m.method == "PUBLISH" {
		m.text.Add("SIP-ETag", "e%d", m.cseq)
	}
	switch m.status {
	case 401:
		m.text.Add("WWW-Authenticate", `Digest realm="example.com", nonce="n1"`)
	case 407:
		m.text.Add("Proxy-Authenticate", `Digest realm="example.com", nonce="n1"`)
	case 423:
		m.text.Add("Min-Expires", "60")
	}
}

// bindings lists the Contacts that a REGISTER made, each with its time
// (RFC 3261 section 10.3).
func (m *message) bindings() {
	lasts := "3600"
	if e := m.request.text.Get("Expires"); e != "" {
		lasts = e
	}
	listed := false
	for _, value := range m.request.text.All("Contact") {
		for _, contact := range compose.Split(value, ',') {
			via := compose.ParseVia(strings.TrimSpace(contact)) // cut alike
			e, own := via.Param("expires")
			if via.Head == "*" || own && e == "0" || !own && lasts == "0" {
				continue
			}
			if !own {
				via.Edit("expires=" + lasts)
			}
			m.text.Add("Contact", "%s", via.String())
			listed = true
		}
	}
	if listed && m.request.text.Get("Expires") == "" {
		m.text.Add("Expires", "%s", lasts)
	}
}

// settle notes what the response means for its request and its call.
func (m *message) settle(toTag string) {
	r, call := m.request, m.call
	r.newest = m
	if m.status >= 200 {
		r.final = m
		call.failed = ""
		if m.status >= 300 {
			call.failed = m.method
		}
	}
	if !slices.Contains(makes, m.method) || m.status == 100 {
		return
	}
	if m.status >= 300 {
		if m.method == "INVITE" && !call.sure {
			call.dialog = false // an early one ends with it (section 12.3)
		}
		return
	}
	if toTag == "" {
		return
	}
	if c := m.text.Get("Contact"); c != "" {
		call.target[m.party] = uriOf(c)
	}
	if !call.dialog {
		var routes []string
		for _, value := range m.text.All("Record-Route") {
			routes = append(routes, compose.Split(value, ',')...)
		}
		for i := range routes {
			routes[i] = strings.TrimSpace(routes[i])
		}
		call.routes[m.party] = slices.Clone(routes)
		slices.Reverse(routes)
		call.routes[1-m.party] = routes
	}
	call.tag[m.party] = toTag
	call.dialog = true
	call.sure = call.sure || m.status >= 200
}
