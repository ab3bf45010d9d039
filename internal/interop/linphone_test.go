// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"strings"
	"testing"
	"time"
)

func TestLinphoneRegisters(t *testing.T) {
	l := newLab(t)
	p := l.registrar(false, agreed("Flow-Timer: 20")...)
	answer := p.answer
	p.answer = func(f *flow, m message) message {
		return answer(f, m).alterVia(func(via string) string { return via + ";keep=10" })
	}
	phone := l.linphone("tcp", "")
	first := p.registered()
	f := first.flow
	l.proves("L1", !lacks(first.via(), "alias") && !lacks(first.via(), "rport") && lacks(first.via(), "keep", "ob") && first.sentBy() == f.remote.String(), "Via: %s", first.via())
	contact := first.field("contact")
	l.proves("L2", strings.Contains(first.field("supported"), "outbound") && !lacks(contact, "+sip.instance") && lacks(contact, "reg-id", "ob"), "Contact: %s, Supported: %s", contact, first.field("supported"))
	f.send("\r\n\r\n")
	p.none(5*time.Second, 0, is(pong, other))
	f.send("\r\n")
	p.none(2*time.Second, 0, is(pong, other))
	back := p.backwards(f)
	filled, _ := has(back.via(), "rport")
	l.proves("L14", filled == "" && !lacks(back.via(), "rport"), "Via of the response to OPTIONS: %s", back.via())
	l.proves("L3", back.status() == "200", "no answer to a ping in 5 s, nor to a lone CRLF, but to OPTIONS after them")
	again := p.await(70*time.Second, 2, "REGISTER", of("REGISTER"))
	after := again.at.Sub(first.at).Seconds()
	l.proves("L4", again.flow == f && after > 50 && after < 58, "registered again after %.1f s of 60, same connection %v", after, again.flow == f)
	p.await(2*time.Minute, 3, "pings", is(ping))
	all := append([]item{first}, p.all(is(ping))...)
	l.proves("L5", within(gaps(all), 30, 30), "pings, unanswered, with Flow-Timer 20 and keep=10: after %s", figures(gaps(all)))
	l.say(phone, "call sip:bob@"+l.b.addr.String())
	ack := p.await(patience, 1, "ACK", of("ACK"))
	l.say(phone, "terminate")
	bye := p.await(patience, 1, "BYE", of("BYE"))
	l.proves("L6", ack.flow == f && bye.flow == f && len(p.all(is(opened))) == 1, "INVITE, ACK, BYE on the connection of the registration: %v", bye.flow == f)
	invite := p.await(patience, 1, "INVITE", of("INVITE"))
	l.proves("L7", lacks(invite.via(), "alias", "keep") && lacks(invite.field("contact"), "ob"), "Via of INVITE: %s, Contact: %s", invite.via(), invite.field("contact"))
	took := p.reconnected(f, 2*time.Minute)
	l.proves("L8", took < 5*time.Second, "after our FIN registered on a new connection after %v", took)
}

func TestLinphonePeriod(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true)
	l.linphone("tcp", "keepalive_period=5000")
	first := p.registered()
	p.await(time.Minute, 8, "pings", is(ping))
	all := append([]item{first}, p.all(is(ping))...)
	l.proves("L9", within(gaps(all), 5, 5), "keepalive_period=5000: %s", figures(gaps(all)))
}

func TestLinphoneUDP(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true)
	l.linphone("udp", "")
	first := p.registered()
	l.proves("L10", lacks(first.via(), "alias", "keep", "ob") && !lacks(first.via(), "rport"), "Via: %s", first.via())
	p.await(100*time.Second, 3, "pings", is(ping))
	all := append([]item{first}, p.all(is(ping))...)
	l.proves("L11", within(gaps(all), 30, 30), "CRLFCRLF over UDP: %s", figures(gaps(all)))
	first.flow.send("\r\n\r\n")
	p.none(3*time.Second, 0, is(pong, stun, other))
	l.proves("L12", p.backwards(first.flow).status() == "200", "CRLFCRLF over UDP was not answered, OPTIONS was")
}

func TestLinphoneQuits(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true)
	phone := l.linphone("tcp", "")
	f := p.registered().flow
	l.say(phone, "quit")
	last := p.await(patience, 2, "REGISTER", of("REGISTER"))
	end := p.await(patience, 1, "end", f.on(is(ended, aborted)))
	l.proves("L13", last.flow == f && last.field("expires") == "0" && end.kind == ended, "Expires: %s, then %s", last.field("expires"), end.kind)
}
