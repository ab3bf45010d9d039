// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"time"
)

// talk is the dialog, from the ACK to the BYE.
func (in *invitation) talk() {
	w, p := in.link.w, in.from
	end := w.Now.Add(w.between(time.Second, 200*time.Second))
	in.link.busy++
	var a *agreement
	if in.keep >= 0 {
		a = &agreement{seconds: in.keep}
		in.link.keep(p, a)
	}
	w.middle(in, end)
	w.after(end.Sub(w.Now), func() { in.bye(a) })
}

// middle has one side do something in the dialog, again and again.
func (w *World) middle(in *invitation, end eventTime) {
	w.after(w.between(time.Second, 60*time.Second), func() {
		if w.Now.Add(10*time.Second) >= end {
			return
		}
		p := w.parties[w.rng.IntN(2)]
		switch w.rng.IntN(4) {
		case 0:
			p.again(in)
		case 1:
			update := p.ask(in.call, "UPDATE", p.contact(""))
			if in.keep >= 0 && p == in.from && w.commits("KEEP-19") {
				update.param("keep")
			}
			update.simple(200, nil, p.peer.contact(""))
		case 2:
			p.ask(in.call, "INFO").simple(200, nil)
		case 3:
			p.ask(in.call, "MESSAGE").simple(200, nil)
		}
		w.middle(in, end)
	})
}

// again is a re-INVITE of p's: a target refresh, accepted at once.
func (p *party) again(in *invitation) {
	w := p.w
	re := &invitation{request: p.ask(in.call, "INVITE", p.contact("")), keep: -1}
	re.send(func() {
		w.after(w.between(5*time.Millisecond, 150*time.Millisecond), func() {
			ack := *re.request
			ack.method, ack.lines = "ACK", nil
			ack.via = re.link.via(p, fmt.Sprintf("z9hG4bK%d", w.number()))
			re.final(re.response(200, "", -1, p.peer.contact("")), func(again bool) {
				ack.link.put(p, ack.String())
				if !again {
					re.settled(nil)
				}
			})
		})
	})
}

// bye ends the dialog, and what was agreed for it, from either side.
func (in *invitation) bye(a *agreement) {
	w := in.link.w
	p := w.parties[w.rng.IntN(2)]
	p.ask(in.call, "BYE").simple(200, func() {
		in.link.busy--
		if a != nil {
			in.link.release(in.from, a)
		}
	})
}

// subscribe is a subscription with notifications and a refresh (RFC 6665).
func (p *party) subscribe() {
	w := p.w
	c := p.newCall()
	sub := p.ask(c, "SUBSCRIBE", p.contact(""), "Event: presence", "Expires: 300")
	sub.link.busy++
	notify := func(state string, then func()) {
		p.peer.ask(c, "NOTIFY", p.peer.contact(""), "Event: presence", "Subscription-State: "+state).simple(200, then)
	}
	sub.simple(200, func() {
		notify("active;expires=300", nil)
		w.after(w.between(10*time.Second, 200*time.Second), func() {
			p.ask(c, "SUBSCRIBE", p.contact(""), "Event: presence", "Expires: 0").simple(200, func() {
				notify("terminated;reason=timeout", func() { sub.link.busy-- })
			}, p.peer.contact(""), "Expires: 0")
		})
	}, p.peer.contact(""), "Expires: 300")
}
