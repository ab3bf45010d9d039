// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"strconv"

	"github.com/viaduct-project/viaduct/internal/flow/compose"
)

// forward passes a message on as a proxy does (RFC 3261 section 16.6 and
// 16.7): a request with one more Via, a response with one less.
func (b *builder) forward(st *Step, c *Conn) (*message, error) {
	given := b.named[st.Args[0]]
	if given == nil {
		return nil, fault("forward %s: no message has that name", st.Args[0])
	}
	m := *given
	m.conn, m.from = c, st.From
	m.text = given.text.Clone()
	m.final, m.newest = nil, nil
	if given.status != 0 {
		return b.forwardResponse(st, &m)
	}
	m.origin = given
	m.call.meet(c, st.From, m.party)
	m.text.Vias = append([]compose.Via{b.via(c, st.From)}, given.seen()...)
	if left, err := strconv.Atoi(m.text.Get("Max-Forwards")); err == nil {
		m.text.Replace("Max-Forwards", strconv.Itoa(left-1))
	}
	if uri, ok := option(st.Args, "uri"); ok {
		m.uri = uri
		m.text.Start = m.method + " " + uri + " SIP/2.0"
	}
	b.requests = append(b.requests, &m)
	return &m, m.edit(st)
}

func (b *builder) forwardResponse(st *Step, m *message) (*message, error) {
	if m.request.origin == nil {
		return nil, fault("forward %s: the request it answers was not forwarded", st.Args[0])
	}
	m.request = m.request.origin
	if len(m.text.Vias) > 0 {
		m.text.Vias = m.text.Vias[1:]
	}
	m.request.newest = m
	if m.status >= 200 {
		m.request.final = m
	}
	return m, m.edit(st)
}
