// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"strings"
	"time"
)

// registration is p's with the other side.
type registration struct {
	call     *call
	link     *link
	outbound bool
	keep     bool
	seconds  int // of the keep-alives
	timer    bool
	agreed   *agreement
	kept     *link // on which keep-alives are sent
	live     bool
}

// uses says whether the registration lives on l.
func (r *registration) uses(l *link) bool { return r != nil && r.live && r.link == l }

// shares says whether requests to the registered side come over its own
// connection: outbound agrees to that (RFC 5626).
func (r *registration) shares() bool { return r != nil && r.live && r.outbound && r.link.open }

// register makes p a client of the other side.
func (p *party) register() {
	r := &registration{call: p.newCall(), outbound: p.w.chance(50), keep: p.w.chance(60), seconds: 5 * (2 + p.w.rng.IntN(10))}
	r.timer = r.outbound && p.w.chance(50)
	p.reg = r
	p.refresh(r, p.w.chance(50))
}

// refresh sends a REGISTER, challenged first if asked for.
func (p *party) refresh(r *registration, challenge bool) {
	w := p.w
	lines := []string{p.bound("") + ";expires=600"}
	if r.outbound {
		lines = []string{p.bound("") + `;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000000a>";expires=600`, "Supported: path, outbound"}
		switch {
		case w.commits("OB-01"):
			lines[0] = p.bound("") + `;reg-id=1;expires=600`
		case w.commits("OB-02"):
			lines[1] = "Supported: outbound"
		case w.commits("OB-03"):
			lines[0] = strings.Replace(lines[0], "reg-id=1", "reg-id=0", 1)
		case w.commits("OB-04"):
			lines[0] = strings.Replace(lines[0], "urn:uuid:", "uuid:", 1)
		}
	}
	if r.live { // the flow that made the binding also refreshes it
		p.link = r.link
	}
	p.own = true // a binding is of the flow that it was made over
	req := p.ask(r.call, "REGISTER", lines...)
	p.own = false
	req.to = ""
	r.link = req.link
	if r.keep {
		req.param("keep")
	}
	if challenge {
		req.simple(401, func() { w.after(w.between(time.Millisecond, time.Second), func() { p.refresh(r, false) }) },
			`WWW-Authenticate: Digest realm="example.com", nonce="1"`)
		return
	}
	keep := -1
	answer := lines[:1]
	if r.keep {
		keep = r.seconds
	} else if w.commits("KEEP-14") {
		req.send(func() {
			text := req.response(200, req.tag(), -1, answer...)
			w.after(time.Millisecond, func() { req.reply(withKeep(text)); req.settled(nil) })
		})
		return
	}
	if r.outbound {
		answer = append(answer, "Require: outbound", "Supported: outbound, path")
		if r.timer {
			answer = append(answer, fmt.Sprintf("Flow-Timer: %d", r.seconds))
			if w.commits("OB-16") {
				answer[len(answer)-1] += "s"
			}
			if r.keep && w.commits("KEEP-11") {
				keep = r.seconds + 1
			}
		}
	}
	if !r.outbound && w.commits("OB-22") {
		answer = append(answer, "Require: outbound")
	}
	req.send(func() { req.answer(200, answer, keep, func() { p.registered(r) }) })
}

// registered begins or goes on with what the registration brings.
func (p *party) registered(r *registration) {
	w := p.w
	r.live = true
	if (r.keep || r.timer) && r.kept != r.link { // keep-alives go where the next REGISTER goes
		if r.kept != nil {
			r.kept.release(p, r.agreed)
		}
		r.agreed, r.kept = &agreement{seconds: r.seconds}, r.link
		r.link.keep(p, r.agreed)
	}
	w.after(w.between(60*time.Second, 500*time.Second), func() { p.refresh(r, w.chance(20)) })
}

// withKeep adds a value for keep where nobody asked for one.
func withKeep(response string) string {
	const branch = ";branch="
	for i := range response {
		if len(response)-i > len(branch) && response[i:i+len(branch)] == branch {
			return response[:i] + ";keep=30" + response[i:]
		}
	}
	return response
}
