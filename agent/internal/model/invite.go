// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"strings"
	"time"
)

// invitation is an INVITE on its way.
type invitation struct {
	*request
	done  bool // finally answered
	alone bool // no forks
	rang  bool // a provisional response was sent
	keep  int  // value to answer, -1 for none
}

// invite calls the other side, challenged first or not.
func (p *party) invite() {
	c := p.newCall()
	keep := -1
	if p.w.chance(50) {
		keep = 5 * (2 + p.w.rng.IntN(8))
	}
	p.inviteIn(c, keep, p.w.chance(15))
}

func (p *party) inviteIn(c *call, keep int, challenge bool) {
	w := p.w
	in := &invitation{request: p.ask(c, "INVITE", p.contact(""), "Supported: 100rel"), keep: keep}
	in.to = ""
	c.tags[p.peer.index()] = ""
	switch {
	case keep >= 0 && w.commits("KEEP-02"):
		in.param("keep=soon")
		in.keep = -1
	case keep >= 0 && w.commits("KEEP-01"):
		in.param("keep=30")
		in.keep = -1
	case keep >= 0:
		in.param("keep")
	}
	if !w.stream() && w.commits("RP-01") {
		in.via = strings.Replace(in.via, ";rport", ";rport=5060", 1)
	}
	if !w.stream() && w.commits("TP-07") {
		in.lines = append(in.lines, "Subject: "+strings.Repeat("x", 1300))
	}
	if w.commits("TP-08") {
		in.via = strings.Replace(in.via, "/"+in.link.protocol(), "/SCTP", 1)
	}
	in.send(func() {
		in.reply(in.response(100, "", -1))
		if challenge {
			w.after(10*time.Millisecond, func() {
				in.refuse(407, func() { p.inviteIn(c, keep, false) }, `Proxy-Authenticate: Digest realm="example.com", nonce="1"`)
			})
			return
		}
		in.ring()
	})
}

// ring sends provisional responses, and then decides.
func (in *invitation) ring() {
	w := in.link.w
	forks := 1
	if w.chance(10) {
		forks = 2 + w.rng.IntN(2)
	}
	in.alone = forks == 1
	for i := range forks {
		w.after(w.between(20*time.Millisecond, 900*time.Millisecond), func() {
			if in.done {
				return
			}
			tag := fmt.Sprintf("t%d", w.number())
			if i == 0 || in.call.tags[in.from.peer.index()] == "" {
				in.call.tags[in.from.peer.index()] = tag
			}
			in.rang = true
			in.progress(tag)
		})
	}
	w.after(w.between(time.Second, 30*time.Second), func() {
		if in.done {
			return
		}
		if in.call.tags[in.from.peer.index()] == "" {
			in.call.tags[in.from.peer.index()] = fmt.Sprintf("t%d", w.number())
		}
		switch n := w.rng.IntN(100); {
		case n < 15:
			in.cancel()
		case n < 30:
			in.refuse([]int{486, 404, 603, 480}[w.rng.IntN(4)], nil)
		default:
			in.accept()
		}
	})
}

// progress is 180, or a reliable 183 that a PRACK acknowledges (RFC 3262).
func (in *invitation) progress(tag string) {
	w := in.link.w
	contact := in.from.peer.contact("")
	if !w.chance(25) {
		in.reply(in.response(180, tag, in.keep, contact))
		return
	}
	in.call.reliable++
	number := in.call.reliable
	in.reply(in.response(183, tag, in.keep, contact, "Require: 100rel", fmt.Sprintf("RSeq: %d", number)))
	w.after(w.between(time.Millisecond, 100*time.Millisecond), func() {
		p := in.from
		prack := p.ask(in.call, "PRACK", fmt.Sprintf("RAck: %d %d INVITE", number, in.cseq))
		prack.to = tag
		prack.simple(200, nil)
	})
}

// final sends a final response, as often as it takes, and calls acked when the
// ACK is due.
func (in *invitation) final(text string, acked func(again bool)) {
	w := in.link.w
	in.done = true
	at := w.copies(t2)
	if w.stream() && strings.HasPrefix(text, "SIP/2.0 2") && w.chance(5) {
		at = append(at, t1) // the ACK is late: 2xx are repeated on streams too
	}
	for i, d := range at {
		last := i == len(at)-1
		w.after(d, func() {
			if last || w.stream() || in.from.peer.seen() {
				in.reply(text)
				in.told()
			}
			if last || w.stream() {
				w.after(w.between(time.Millisecond, 200*time.Millisecond), func() { acked(i > 0 && w.stream()) })
			}
		})
	}
}

// refuse answers with an error, whose ACK belongs to the same transaction and
// repeats its Via (RFC 3261 section 17.1.1.3).
func (in *invitation) refuse(status int, then func(), lines ...string) {
	in.final(in.response(status, in.tag(), -1, lines...), func(bool) {
		ack := *in.request
		ack.method, ack.to, ack.lines = "ACK", in.tag(), nil
		in.link.put(in.from, ack.String())
		in.settled(then)
	})
}

// cancel gives the call up: the CANCEL repeats the INVITE's Via (section 9.1).
func (in *invitation) cancel() {
	cancel := *in.request
	cancel.method, cancel.lines = "CANCEL", nil
	cancel.simple(200, func() { in.refuse(487, nil) })
}

// accept answers 200, which the ACK of a transaction of its own follows.
func (in *invitation) accept() {
	w := in.link.w
	p := in.from
	ack := &request{from: p, link: in.link, method: "ACK", call: in.call, cseq: in.cseq, to: in.tag(), via: in.link.via(p, fmt.Sprintf("z9hG4bK%d", w.number()))}
	if in.keep >= 0 && w.commits("KEEP-04") {
		ack.param("keep")
	}
	value := in.keep
	switch {
	case value >= 0 && in.call.reliable > 0 && w.commits("KEEP-16"):
		value++
	case value >= 0 && in.call.reliable == 0 && in.rang && in.alone && w.commits("KEEP-15"):
		value = -1
	}
	in.final(in.response(200, in.tag(), value, p.peer.contact("")), func(again bool) {
		ack.link = p.open(in.link)
		ack.link.put(p, ack.String())
		if !again {
			in.settled(nil)
			in.talk()
		}
	})
}

// open is l, or what the next request goes over if l is gone.
func (p *party) open(l *link) *link {
	if l.open {
		return l
	}
	return p.path()
}
