// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"slices"
	"strings"

	"github.com/viaduct-project/viaduct/internal/flow/compose"
)

// request makes a request with all that RFC 3261 section 8.1.1 asks for, and
// section 12.2.1.1 within a dialog.
func (b *builder) request(st *Step, c *Conn) (*message, error) {
	m := &message{conn: c, from: st.From, method: st.What}
	switch st.What {
	case "ACK":
		return b.ack(st, m)
	case "CANCEL":
		return b.cancel(st, m)
	}
	m.call = b.callOf(st, c)
	if re, ok := option(st.Args, "re"); ok {
		about := b.named[re]
		if about == nil {
			return nil, fault("re=%s: no message has that name", re)
		}
		m.call = about.call
	}
	m.party = m.call.partyOf(c, st.From)
	if user, ok := option(st.Args, "user"); ok {
		m.call.user[m.party] = user
	}
	m.call.cseq[m.party] = st.intOption("cseq", m.call.cseq[m.party]+1)
	m.cseq = m.call.cseq[m.party]
	m.text.Vias = []compose.Via{b.via(c, st.From)}
	m.address(st)
	m.usual()
	switch m.method {
	case "BYE":
		m.call.ended = true // RFC 3261 section 15.1.1: the sender thinks so at once
	}
	m.learn(st)
	return m, nil
}

// address writes start-line, From, To, Call-ID and CSeq.
func (m *message) address(st *Step) {
	call, mine, theirs := m.call, m.party, 1-m.party
	inside := call.dialog || m.party == 1
	to := "sip:" + call.user[theirs] + "@example.com"
	m.uri = to
	switch {
	case m.method == "REGISTER":
		to, m.uri = "sip:"+call.user[mine]+"@example.com", "sip:example.com"
		inside = false
	case inside && call.target[theirs] != "":
		m.uri = call.target[theirs]
	}
	if uri, ok := option(st.Args, "uri"); ok {
		m.uri = uri
		if !inside && m.method != "REGISTER" {
			to = uri
		}
	}
	fromTag, toTag := call.tag[mine], ""
	if inside {
		toTag = call.tag[theirs]
	}
	m.tags(st, &fromTag, &toTag)
	m.text.Start = m.method + " " + m.uri + " SIP/2.0"
	m.text.Add("Max-Forwards", "70")
	if inside {
		for _, r := range call.routes[mine] {
			m.text.Add("Route", "%s", r)
		}
	}
	m.text.Add("From", "%s", tagged("<sip:"+call.user[mine]+"@example.com>", fromTag))
	m.text.Add("To", "%s", tagged("<"+to+">", toTag))
	m.text.Add("Call-ID", "%s", call.id)
	m.text.Add("CSeq", "%d %s", m.cseq, m.method)
}

// tags applies from= and to=.
func (m *message) tags(st *Step, from, to *string) {
	for key, tag := range map[string]*string{"from": from, "to": to} {
		if v, ok := option(st.Args, key); ok {
			*tag = v
			if v == "none" {
				*tag = ""
			}
		}
	}
}

func tagged(address, tag string) string {
	if tag == "" {
		return address
	}
	return address + ";tag=" + tag
}

// usual adds the fields that the method needs.
func (m *message) usual() {
	switch m.method {
	case "INVITE", "UPDATE", "REGISTER", "SUBSCRIBE", "REFER", "NOTIFY":
		m.text.Add("Contact", "%s", m.contact())
	}
	switch m.method {
	case "SUBSCRIBE", "PUBLISH":
		m.text.Add("Event", "presence")
		m.text.Add("Expires", "3600")
	case "NOTIFY":
		m.text.Add("Event", "presence")
		m.text.Add("Subscription-State", "active;expires=3600")
	case "REFER":
		m.text.Add("Refer-To", "<sip:carol@example.com>")
	case "PRACK":
		m.text.Add("RAck", "1 %d INVITE", m.cseq-1)
	}
}

// learn notes what the other party needs for later requests, as the step may
// have changed it.
func (m *message) learn(st *Step) {
	if m.method == "REGISTER" || !slices.Contains([]string{"INVITE", "UPDATE", "SUBSCRIBE", "REFER", "NOTIFY"}, m.method) {
		return
	}
	contact := m.text.Get("Contact")
	for _, f := range st.Fields {
		if f.Op != "-" && compose.Same(f.Name, "Contact") {
			contact = f.Value
		}
	}
	if contact != "" {
		m.call.target[m.party] = uriOf(contact)
	}
}

// invite finds the INVITE that an ACK or CANCEL is about: the one that re=
// names, or the newest of this side with or without a final answer.
func (b *builder) invite(st *Step, m *message, answered bool) (invite, final *message, err error) {
	if re, ok := option(st.Args, "re"); ok {
		about := b.named[re]
		switch {
		case about == nil:
			return nil, nil, fault("%s re=%s: no message has that name", m.method, re)
		case about.status != 0:
			return about.request, about, nil
		}
		return about, about.final, nil
	}
	name, byCall := option(st.Args, "call")
	for _, r := range slices.Backward(b.requests) {
		if r.method == "INVITE" && r.from == m.from && r.conn.Remote.Addr() == m.conn.Remote.Addr() &&
			(r.final != nil) == answered && (!byCall || r.call.name == name) {
			return r, r.final, nil
		}
	}
	if answered {
		return nil, nil, fault("ACK: this side has sent no INVITE that a final response answers; name one with re=")
	}
	return nil, nil, fault("CANCEL: this side has sent no INVITE that waits for its final response; name one with re=")
}

// cancel repeats the INVITE's topmost Via, Request-URI, tags and number
// (RFC 3261 section 9.1).
func (b *builder) cancel(st *Step, m *message) (*message, error) {
	invite, _, err := b.invite(st, m, false)
	if err != nil {
		return nil, err
	}
	m.follow(st, invite, invite.text.Get("To"))
	return m, nil
}

// ack is part of the INVITE's transaction if the answer is no 2xx (RFC 3261
// section 17.1.1.3), and a request of the dialog if it is (13.2.2.4).
func (b *builder) ack(st *Step, m *message) (*message, error) {
	invite, final, err := b.invite(st, m, true)
	switch {
	case err != nil:
		return nil, err
	case final == nil:
		return nil, fault("ACK: the INVITE has no final response")
	}
	m.follow(st, invite, final.text.Get("To"))
	if final.status >= 300 {
		return m, nil
	}
	m.text.Vias = []compose.Via{b.via(m.conn, m.from)}
	if uri := m.call.target[1-m.party]; uri != "" {
		m.uri = uri
	}
	m.start(st)
	m.text.Remove("Route")
	for _, r := range m.call.routes[m.party] {
		m.text.Add("Route", "%s", r)
	}
	return m, nil
}

// follow makes m a companion of an INVITE; its To is given.
func (m *message) follow(st *Step, invite *message, to string) {
	m.call, m.party, m.uri = invite.call, invite.party, invite.uri
	m.cseq = st.intOption("cseq", invite.cseq)
	m.start(st)
	if vias := invite.text.Clone().Vias; len(vias) > 0 {
		m.text.Vias = vias[:1]
	}
	m.text.Add("Max-Forwards", "70")
	for _, r := range invite.text.All("Route") {
		m.text.Add("Route", "%s", r)
	}
	from, fromTag, _ := strings.Cut(invite.text.Get("From"), ";tag=")
	to, toTag, _ := strings.Cut(to, ";tag=")
	m.tags(st, &fromTag, &toTag)
	m.text.Add("From", "%s", tagged(from, fromTag))
	m.text.Add("To", "%s", tagged(to, toTag))
	m.text.Add("Call-ID", "%s", invite.text.Get("Call-ID"))
	m.text.Add("CSeq", "%d %s", m.cseq, m.method)
}

// start writes the start-line.
func (m *message) start(st *Step) {
	if uri, ok := option(st.Args, "uri"); ok {
		m.uri = uri
	}
	m.text.Start = m.method + " " + m.uri + " SIP/2.0"
}
