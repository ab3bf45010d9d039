// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/flow/compose"
)

// message is one SIP message of the flow.
type message struct {
	text   compose.Message
	wire   []byte
	conn   *Conn
	from   event.Side
	call   *call
	party  int // who sends
	method string
	uri    string // of a request
	cseq   int
	status int // 0 for a request

	request *message // of a response
	origin  *message // what a forwarded request forwards
	final   *message // newest final response of a request
	newest  *message // newest response of a request
}

// compose makes the SIP message of a step.
func (b *builder) compose(st *Step, c *Conn) (*message, error) {
	switch {
	case st.What == "forward":
		return b.forward(st, c)
	case isStatus(st.What):
		return b.answer(st, c)
	}
	m, err := b.request(st, c)
	if err != nil {
		return nil, err
	}
	b.requests = append(b.requests, m)
	return m, b.finish(st, m)
}

// finish applies what the step says of Via and fields, and the length.
func (b *builder) finish(st *Step, m *message) error {
	if err := m.edit(st); err != nil {
		return err
	}
	m.body(st)
	return nil
}

// edit applies tokens and indented lines.
func (m *message) edit(st *Step) error {
	if len(m.text.Vias) > 0 {
		m.editVia(st, &m.text.Vias[0])
	}
	var replaced []string
	for _, f := range st.Fields {
		if f.Name == "body" && f.Op == ":" {
			continue
		}
		if err := m.editField(f, &replaced); err != nil {
			return err
		}
	}
	return nil
}

func (m *message) editVia(st *Step, via *compose.Via) {
	if v, ok := option(st.Args, "proto"); ok {
		via.SetHead("SIP/2.0/"+v, via.SentBy())
	}
	if v, ok := option(st.Args, "sentby"); ok {
		via.SetHead(via.Proto(), v)
	}
	if v, ok := option(st.Args, "branch"); ok {
		via.Edit("branch=" + v)
	}
	for _, a := range st.Args {
		if params, ok := strings.CutPrefix(a, ";"); ok {
			for _, param := range compose.Split(params, ';') {
				via.Edit(param)
			}
		}
	}
}

// editField applies one indented line. The first line of a name takes the
// place of what is there without it.
func (m *message) editField(f Edit, replaced *[]string) error {
	isVia := compose.Same(f.Name, "Via")
	name := strings.ToLower(f.Name)
	first := f.Op == ":" && !slices.Contains(*replaced, name)
	if first {
		*replaced = append(*replaced, name)
	}
	switch {
	case f.Op == "-" && isVia:
		m.text.Vias = nil
	case f.Op == "-":
		m.text.Remove(f.Name)
	case isVia && first && len(m.text.Vias) > 0:
		m.text.Vias[0] = compose.ParseVia(f.Value)
	case isVia:
		m.text.Vias = append(m.text.Vias, compose.ParseVia(f.Value))
	case first:
		m.text.Replace(f.Name, f.Value)
	default:
		m.text.Fields = append(m.text.Fields, f.Field)
	}
	return nil
}

// body adds the body, and Content-Type and Content-Length unless the step
// speaks of them.
func (m *message) body(st *Step) {
	said := func(name string) bool {
		return slices.ContainsFunc(st.Fields, func(f Edit) bool { return compose.Same(f.Name, name) })
	}
	for _, f := range st.Fields {
		if f.Name == "body" && f.Op == ":" {
			m.text.Body += f.Value + "\r\n"
		}
	}
	if m.text.Body != "" && !said("Content-Type") && m.text.Get("Content-Type") == "" {
		m.text.Add("Content-Type", "text/plain")
	}
	if !said("Content-Length") {
		m.text.Replace("Content-Length", strconv.Itoa(len(m.text.Body)))
	}
}

// via returns a new topmost Via for what side from sends on c.
func (b *builder) via(c *Conn, from event.Side) compose.Via {
	b.branches++
	v := compose.Via{Params: []string{fmt.Sprintf("branch=z9hG4bK%d", 1000+b.branches)}}
	v.SetHead(proto(c.Transport), c.sentBy(from).String())
	if c.Transport == event.UDP {
		v.Params = append(v.Params, "rport") // RFC 3581 section 3
	}
	return v
}

// seen returns the Vias of a message as its receiver passes them on: with
// rport and received filled in (RFC 3261 section 18.2.1, RFC 3581 section 4).
func (m *message) seen() []compose.Via {
	clone := m.text.Clone()
	if len(clone.Vias) == 0 {
		return nil
	}
	top, source := &clone.Vias[0], m.conn.Address(m.from)
	value, asked := top.Param("rport")
	if asked && value == "" {
		top.Edit("rport=" + strconv.Itoa(int(source.Port())))
	}
	if asked && value == "" || hostOf(top.SentBy()) != source.Addr() {
		top.Edit("received=" + source.Addr().String())
	}
	return clone.Vias
}

// hostOf returns the address of a sent-by, the zero Addr for a name.
func hostOf(sentBy string) netip.Addr {
	if a, err := netip.ParseAddrPort(sentBy); err == nil {
		return a.Addr()
	}
	a, _ := netip.ParseAddr(strings.Trim(sentBy, "[]"))
	return a
}

// contact is where party p wants to be reached.
func (m *message) contact() string {
	transport := ""
	switch m.conn.Transport {
	case event.TCP:
		transport = ";transport=tcp"
	case event.TLS:
		transport = ";transport=tls"
	}
	return fmt.Sprintf("<sip:%s@%s%s>", m.call.user[m.party], m.conn.sentBy(m.from), transport)
}

// uriOf returns the URI of a Contact value.
func uriOf(contact string) string {
	contact = compose.Split(contact, ',')[0]
	if _, rest, ok := strings.Cut(contact, "<"); ok {
		uri, _, _ := strings.Cut(rest, ">")
		return uri
	}
	uri, _, _ := strings.Cut(contact, ";")
	return strings.TrimSpace(uri)
}
