// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"strings"
	"time"
)

// registrar is a scripted one: it accepts every request, with more header
// lines for REGISTER, and answers keep-alives if pongs is set.
func (l *lab) registrar(pongs bool, more ...string) *peer {
	l.Helper()
	p := l.newPeer(l.b, func(f *flow, m message) message {
		switch m.method() {
		case "INVITE":
			return answerCall(f, m)
		case "REGISTER":
			return accepted(m, more...)
		}
		return accepted(m)
	})
	p.pongs = pongs
	p.listen(5060)
	return p
}

// answerCall says 200 with the caller's own session description.
func answerCall(f *flow, m message) message {
	head, _, _ := strings.Cut(string(m.reply("200 OK", "Content-Type: application/sdp",
		fmt.Sprintf("Contact: <sip:bob@%s;transport=%s>", f.local, f.transport))), "Content-Length: 0")
	_, body, _ := strings.Cut(string(m), "\r\n\r\n")
	return message(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body))
}

// registered is the first REGISTER.
func (p *peer) registered() item {
	p.Helper()
	return p.await(patience, 1, "REGISTER", of("REGISTER"))
}

// agreed makes a registrar's 200 an agreement to RFC 5626, with more lines.
func agreed(more ...string) []string {
	return append([]string{"Require: outbound", "Supported: outbound"}, more...)
}

// backwards sends a request to the phone on its own connection, with an empty
// rport, and returns the response.
func (p *peer) backwards(f *flow) message {
	p.Helper()
	return p.ask(f, request("OPTIONS", fmt.Sprintf("sip:alice@%s", f.remote), f.transport, f.local, "rport;"))
}

// pongTimes pings n times and returns how long each answer took.
func (p *peer) pongTimes(f *flow, n int) (took []float64) {
	p.Helper()
	for i := range n {
		sent := time.Now()
		f.send("\r\n\r\n")
		took = append(took, p.await(patience, i+1, "pongs", f.on(is(pong))).at.Sub(sent).Seconds())
	}
	return took
}

// milliseconds is figures, with times that are short.
func milliseconds(seconds []float64) string {
	for i := range seconds {
		seconds[i] *= 1000
	}
	return strings.ReplaceAll(figures(seconds), " s of", " ms of")
}

// sentBy is the address and port of the topmost Via.
func (m message) sentBy() string {
	_, rest, _ := strings.Cut(m.via(), " ")
	host, _, _ := strings.Cut(rest, ";")
	return host
}

// reconnected closes f and returns how long the phone's next REGISTER took,
// which must come on another connection.
func (p *peer) reconnected(f *flow, wait time.Duration) time.Duration {
	p.Helper()
	closed := time.Now()
	f.conn.Close()
	next := p.await(wait, 1, "REGISTER on another connection", func(i item) bool {
		return of("REGISTER")(i) && i.flow != f && i.at.After(closed)
	})
	return next.at.Sub(closed)
}
