// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"strings"
	"time"
)

// call names a dialog to be, or a registration, as both sides see it.
type call struct {
	id       string
	tags     [2]string // by index of the party
	cseq     [2]int
	first    *party // who sent the first request
	reliable int    // RSeq
}

func (p *party) index() int {
	if p == p.w.parties[0] {
		return 0
	}
	return 1
}

// newCall begins one with a request of p.
func (p *party) newCall() *call {
	n := p.w.number()
	c := &call{id: fmt.Sprintf("call%d@example.com", n), first: p}
	c.tags[p.index()] = fmt.Sprintf("f%d", n)
	c.cseq = [2]int{1 + p.w.rng.IntN(1000), 1 + p.w.rng.IntN(1000)}
	return c
}

// request is one that was sent, with what its responses repeat.
type request struct {
	from   *party
	link   *link
	method string
	via    string
	call   *call
	cseq   int
	to     string // tag, "" for none
	lines  []string
	body   string
	gap    time.Duration // to the next copy, once sent
	asked  bool          // it was seen, and no final response
}

// ask makes a request of p within c.
func (p *party) ask(c *call, method string, lines ...string) *request {
	c.cseq[p.index()]++
	if method != "REGISTER" && p.doesOutbound() {
		lines = append([]string{"Supported: outbound"}, lines...)
	}
	l := p.path()
	return &request{
		from: p, link: l, method: method, call: c, cseq: c.cseq[p.index()], to: c.tags[p.peer.index()], lines: lines,
		via: l.via(p, fmt.Sprintf("z9hG4bK%d", p.w.number())),
	}
}

// param adds a parameter to the topmost Via.
func (r *request) param(s string) *request {
	r.via += ";" + s
	return r
}

func (r *request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s sip:%s SIP/2.0\r\nVia: %s\r\n", r.method, r.from.peer.addr, r.via)
	r.ends(&b, r.to)
	b.WriteString("Max-Forwards: 70\r\n")
	r.rest(&b, r.lines, r.body)
	return b.String()
}

// ends writes From, To, Call-ID and CSeq.
func (r *request) ends(b *strings.Builder, to string) {
	callee := r.from.peer
	if r.method == "REGISTER" {
		callee = r.from // for itself
	}
	fmt.Fprintf(b, "From: <sip:%d@example.com>;tag=%s\r\nTo: <sip:%d@example.com>", r.from.index(), r.call.tags[r.from.index()], callee.index())
	if to != "" {
		b.WriteString(";tag=" + to)
	}
	fmt.Fprintf(b, "\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", r.call.id, r.cseq, r.method)
}

func (r *request) rest(b *strings.Builder, lines []string, body string) {
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	if !(r.link.w.stream() && r.link.w.commits("TP-14")) {
		fmt.Fprintf(b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
}

// response is one to r. keep is the value that the topmost Via's bare keep
// gets, -1 for none; tag is the To tag if the request has none.
func (r *request) response(status int, tag string, keep int, lines ...string) string {
	via := r.via
	if !r.link.w.stream() && !strings.Contains(via, ";rport=") {
		via = strings.Replace(via, ";rport", fmt.Sprintf(";rport=%d;received=%s", r.from.addr.Port(), r.from.addr.Addr()), 1)
	}
	if keep >= 0 {
		via = strings.Replace(via, ";keep", fmt.Sprintf(";keep=%d", keep), 1)
	}
	via = r.spoiled(via, status)
	to := r.to
	if to == "" && status > 100 {
		to = tag
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d Reason\r\nVia: %s\r\n", status, via)
	r.ends(&b, to)
	r.rest(&b, lines, "")
	return b.String()
}

// spoiled is the Via of a response with a fault in it.
func (r *request) spoiled(via string, status int) string {
	w := r.link.w
	switch {
	case status < 200:
	case w.commits("AL-22"):
		via += ";alias"
	case w.stream() || r.from == w.parties[0]: // what the peer saw is not known here
	case w.commits("RP-02"):
		via = strings.Replace(via, ";rport=", ";rport=1", 1)
	case w.commits("TP-13"):
		via = strings.Replace(via, ";received="+r.from.addr.Addr().String(), ";received=203.0.113.99", 1)
	}
	return via
}

// doesOutbound says whether p registers by RFC 5626.
func (p *party) doesOutbound() bool { return p.reg != nil && p.reg.outbound }

// contact is the Contact line of p. It asks for the flow where p has one.
func (p *party) contact(params string) string {
	if p.doesOutbound() {
		params += ";ob"
	}
	return p.bound(params)
}

// bound is the Contact line of p's REGISTERs.
func (p *party) bound(params string) string {
	return fmt.Sprintf("Contact: <sip:%d@%s%s>", p.index(), p.addr, params)
}
