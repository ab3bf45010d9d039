// SPDX-License-Identifier: Apache-2.0

//go:build churn

package livetest

import (
	"bytes"
	"math/rand/v2"
	"net"
	"regexp"
	"sync"
	"time"
)

// player is one end of a connection: it asks, answers, is silent, and closes.
type player struct {
	*churn
	e      *entry
	end    int
	conn   *net.TCPConn
	offers bool
	gone   chan struct{} // closed when nothing more can be read

	mu sync.Mutex // of what it writes
}

func newPlayer(c *churn, e *entry, end int, conn net.Conn, offers bool) *player {
	return &player{churn: c, e: e, end: end, conn: conn.(*net.TCPConn), offers: offers, gone: make(chan struct{})}
}

// live returns when the connection has ended.
func (p *player) live() {
	go p.listen()
	if p.end == 0 {
		p.ask()
	}
	for p.alive() {
		switch n := rand.IntN(100); {
		case n < 35:
			p.wait(rand.N(70 * time.Second))
		case n < 60:
			p.wait(rand.N(5 * time.Second))
		case n < 90 && (p.end == 0 || n < 68): // servers ask less
			p.ask()
		case n < 94:
			p.write(nil, []byte("\r\n\r\n"))
		case n < 96:
			p.close(n == 95)
		}
	}
	p.close(false)
}

func (p *player) alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return p.ctx.Err() == nil
	}
}

func (p *player) wait(d time.Duration) {
	select {
	case <-p.gone:
	case <-p.ctx.Done():
	case <-time.After(d):
	}
}

func (p *player) close(reset bool) {
	p.book.end(p.e, p.end, true)
	if reset {
		p.conn.SetLinger(0)
	}
	p.conn.Close()
	<-p.gone
}

// listen reads until the end, and answers.
func (p *player) listen() {
	defer close(p.gone)
	r := &reader{conn: p.conn}
	for {
		text, err := r.message()
		if err != nil {
			p.book.end(p.e, p.end, false)
			return
		}
		m := noteOf(text)
		p.book.read(p.e, p.end, m)
		switch {
		case m.opens:
			p.answer(text)
		case m.ends && bytes.Contains(text, []byte("CSeq: 1 INVITE")):
			p.write(nil, ackOf(text))
		}
	}
}

// ask sends a request, now and then in two parts.
func (p *player) ask() {
	method := []string{"OPTIONS", "OPTIONS", "INVITE"}[rand.IntN(3)]
	text := request(method, "TCP", p.conn.LocalAddr())
	if p.offers {
		text = offering(text)
	}
	p.requests.Add(1)
	if rand.IntN(20) == 0 {
		cut := 1 + rand.IntN(len(text)-1)
		p.write(text[:cut], text[cut:])
		return
	}
	p.write(nil, text)
}

// answer replies at once, soon, or as late as a transaction lasts: 64*T1, and an
// INVITE that rings longer (RFC 3261 section 17).
func (p *player) answer(text []byte) {
	delay := time.Duration(0)
	switch n := rand.IntN(10); {
	case n < 3:
		delay = rand.N(3 * time.Second)
	case n < 4:
		delay = rand.N(29 * time.Second)
	}
	if bytes.HasPrefix(text, []byte("INVITE")) {
		p.write(nil, reply(text, "180 Ringing"))
		delay *= 3
	}
	time.AfterFunc(delay, func() { p.write(nil, reply(text, "200 OK")) })
}

// write sends a message, whose first part goes a while before the rest.
func (p *player) write(first, rest []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first != nil {
		if !p.book.write(p, first, true) {
			return
		}
		p.wait(rand.N(3 * time.Second))
	}
	p.book.write(p, rest, false, first...)
}

var branchOf = regexp.MustCompile(`branch=([^;\r]+)`)

func noteOf(text []byte) note {
	first, _, _ := bytes.Cut(text, []byte("\r\n"))
	m := note{first: string(first)}
	if found := branchOf.FindSubmatch(text); found != nil {
		m.branch = string(found[1])
	}
	status, isResponse := bytes.CutPrefix(first, []byte("SIP/2.0 "))
	m.ends = isResponse && status[0] >= '2'
	m.opens = !isResponse && !bytes.HasPrefix(first, []byte("ACK"))
	return m
}

// ackOf acknowledges a 2xx: a transaction of its own (RFC 3261 section 13.2.2.4).
func ackOf(response []byte) []byte {
	_, headers, _ := bytes.Cut(response, []byte("\r\n"))
	ack := append([]byte("ACK sip:probe@example.com SIP/2.0\r\nMax-Forwards: 70\r\n"), headers...)
	ack = bytes.Replace(ack, []byte("1 INVITE"), []byte("1 ACK"), 1)
	return bytes.Replace(ack, []byte("branch=z9hG4bK"), []byte("branch=z9hG4bKack"), 1)
}
