// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestBaresipRegisters(t *testing.T) {
	l := newLab(t)
	// What it did not ask for: a value for keep, and a Flow-Timer.
	p := l.newPeer(l.b, func(f *flow, m message) message {
		if m.method() == "INVITE" {
			return answerCall(f, m)
		}
		return accepted(m, "Flow-Timer: 20").alterVia(func(via string) string { return via + ";keep=10" })
	})
	p.listen(5060)
	phone := l.baresip("tcp", "")
	first := p.registered()
	f := first.flow
	port, rport := has(first.via(), "rport")
	l.proves("B1", rport && port == "" && lacks(first.via(), "keep", "alias", "ob") && first.sentBy() == l.a.addr.String()+":5070" && f.remote.Port() != 5070,
		"Via: %s, from %s", first.via(), f.remote)
	contact := first.field("contact")
	l.proves("B2", !lacks(contact, "+sip.instance") && lacks(contact, "reg-id", "ob") && !strings.Contains(first.field("supported"), "outbound"),
		"Contact: %s, Supported: %s", contact, first.field("supported"))
	took := p.pongTimes(f, 20)
	l.proves("B5", within(took, 0, 0), "pong after %s", milliseconds(took))
	f.send("\r\n")
	p.none(3*time.Second, 20, f.on(is(pong, ping, other)))
	back := p.backwards(f)
	l.proves("B6", back.status() == "200", "a lone CRLF was not answered, OPTIONS after it was")
	l.proves("B7", len(p.all(is(opened))) == 1, "OPTIONS backwards was answered on the connection")
	filled, _ := has(back.via(), "rport")
	l.proves("B24", filled == fmt.Sprint(f.local.Port()), "Via of that response: %s", back.via())
	again := p.await(70*time.Second, 2, "REGISTER", of("REGISTER"))
	after := again.at.Sub(first.at).Seconds()
	l.proves("B4", again.flow == f && after > 50 && after < 58, "registered again after %.1f s of 60, same connection %v", after, again.flow == f)
	l.proves("B3", len(p.all(is(ping, stun))) == 0, "no keep-alive up to then")
	l.say(phone, "/dial sip:bob@"+l.b.addr.String())
	ack := p.await(patience, 1, "ACK", of("ACK"))
	// It has no source of sound for the call's 8 kHz, and hangs up at once.
	bye := p.await(patience, 1, "BYE", of("BYE"))
	l.proves("B8", ack.flow == f && bye.flow == f && len(p.all(is(opened))) == 1, "INVITE, ACK and BYE on the connection of the registration: %v, Via: %s", bye.flow == f, bye.via())
	refreshed := p.all(of("REGISTER"))
	p.reconnected(f, 2*time.Minute)
	next := p.all(of("REGISTER"))[len(refreshed)]
	after = next.at.Sub(refreshed[len(refreshed)-1].at).Seconds()
	l.proves("B9", after > 50 && after < 58, "after our FIN the next REGISTER came %.1f s after the last, on a new connection", after)
}

func TestBaresipOutbound(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true, agreed("Flow-Timer: 20")...)
	l.baresip("tcp", outbound)
	first := p.registered()
	contact, supported := first.field("contact"), first.field("supported")
	id, _ := has(contact, "reg-id")
	l.proves("B10", id == "1" && !lacks(contact, "+sip.instance") && lacks(contact, "ob") && strings.Contains(supported, "outbound") && lacks(first.via(), "keep", "alias", "ob"),
		"Contact: %s, Supported: %s", contact, supported)
	p.await(110*time.Second, 5, "pings", is(ping))
	all := append([]item{first}, p.all(is(ping))...)
	l.proves("B11", within(gaps(all), 16, 20), "Flow-Timer 20: ping after %s", figures(gaps(all)))
	l.until(patience, func() string {
		c := l.far(first.flow.remote)
		k, o := c.Keepalives, c.Negotiated.Outbound
		if c.Class.Observed != "persistent" || !o.Agreed || *o.FlowTimerSeconds != 20 || k.PingsSent < 5 || k.PingsSent != k.PongsReceived ||
			k.Unanswered != 0 || !within([]float64{k.IntervalSeconds.Min, k.IntervalSeconds.Max}, 16, 20) {
			return fmt.Sprintf("viaduct: class %s, outbound %+v, %+v, after %+v", c.Class.Observed, *o, k, *k.IntervalSeconds)
		}
		return ""
	})
}

func TestBaresipShortFlowTimer(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true, agreed("Flow-Timer: 10")...)
	l.baresip("tcp", outbound)
	first := p.registered()
	p.await(70*time.Second, 3, "pings", is(ping))
	all := append([]item{first}, p.all(is(ping))...)
	l.proves("B12", within(gaps(all), 16, 20), "Flow-Timer 10: ping after %s", figures(gaps(all)))
}

func TestBaresipNoFlowTimer(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true, agreed()...)
	l.baresip("tcp", outbound)
	first := p.registered()
	took := p.await(130*time.Second, 1, "ping", is(ping)).at.Sub(first.at).Seconds()
	l.proves("B13", took > 95 && took < 121, "without Flow-Timer: ping after %.1f s", took)
}

func TestBaresipUnanswered(t *testing.T) {
	l := newLab(t)
	p := l.registrar(false, agreed("Flow-Timer: 20")...)
	l.baresip("tcp", outbound)
	first := p.registered()
	sent := p.await(patience, 1, "ping", is(ping))
	end := p.await(patience, 1, "end", first.flow.on(is(ended, aborted)))
	took := end.at.Sub(sent.at).Seconds()
	l.proves("B14", end.kind == ended && took > 9.9 && took < 10.5, "%s %.1f s after a ping without a pong", end.kind, took)
	next := p.await(90*time.Second, 2, "REGISTER", of("REGISTER"))
	took = next.at.Sub(end.at).Seconds()
	l.proves("B15", next.flow != first.flow && took > 29 && took < 61, "REGISTER on a new connection %.1f s later", took)
}

func TestBaresipUDP(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true, agreed("Flow-Timer: 20")...)
	l.baresip("udp", outbound)
	first := p.registered()
	p.await(90*time.Second, 4, "STUN", is(stun))
	all := p.all(is(stun))
	at := all[0].at.Sub(first.at).Seconds()
	l.proves("B16", at < 1 && within(gaps(all), 16, 20), "STUN after %.1f s, then every %s", at, figures(gaps(all)))
	first.flow.send("\r\n\r\n")
	p.none(3*time.Second, 0, is(pong, ping, other))
	l.proves("B17", p.backwards(first.flow).status() == "200", "CRLFCRLF over UDP was not answered, OPTIONS was")
}

func TestBaresipUDPUnanswered(t *testing.T) {
	l := newLab(t)
	p := l.registrar(false, agreed("Flow-Timer: 20")...)
	l.baresip("udp", outbound)
	next := p.await(2*time.Minute, 2, "REGISTER", of("REGISTER"))
	requests := p.all(func(i item) bool { return i.kind == stun && i.at.Before(next.at) })
	intervals := gaps(requests)
	last := requests[len(requests)-1].at
	took := next.at.Sub(last).Seconds()
	l.proves("B18", len(requests) == 7 && within(intervals[:1], 0.5, 0.5) && within(intervals[5:], 16, 16) && took > 8+29 && took < 8+61,
		"%d STUN requests, %s, REGISTER %.1f s after the last", len(requests), figures(intervals), took)
}

func TestBaresipUDPPlain(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true, agreed("Flow-Timer: 10")...)
	l.baresip("udp", "")
	first := p.registered()
	p.await(70*time.Second, 2, "REGISTER", of("REGISTER"))
	l.proves("B19", len(p.all(is(stun, ping, pong, other))) == 0 && first.flow.remote.Port() == 5070, "no keep-alive from %s", first.flow.remote)
}

func TestBaresipAccepts(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true)
	l.baresip("tcp", "")
	p.registered()
	silent := p.dial(netip.AddrPortFrom(l.a.addr, 5070))
	spoken := p.dial(netip.AddrPortFrom(l.a.addr, 5070))
	status := p.ask(spoken, request("OPTIONS", "sip:alice@"+l.a.addr.String(), "tcp", spoken.local, "")).status()
	end := p.await(time.Minute, 1, "end", silent.on(is(ended, aborted)))
	took := end.at.Sub(p.all(silent.on(is(opened)))[0].at).Seconds()
	l.proves("B20", end.kind == ended && took > 31 && took < 34, "%s on a silent connection after %.1f s", end.kind, took)
	p.none(10*time.Second, 0, spoken.on(is(ended, aborted)))
	l.proves("B21", status == "200", "OPTIONS on a connection to its port: %s; open 40 s later", status)
}

func TestBaresipOutboundClosed(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true, agreed("Flow-Timer: 20")...)
	l.baresip("tcp", outbound)
	first := p.registered()
	p.await(patience, 1, "ping", is(ping))
	took := p.reconnected(first.flow, 90*time.Second).Seconds()
	l.proves("B22", took > 29 && took < 61, "after our FIN registered on a new connection after %.1f s", took)
}

func TestBaresipQuits(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true)
	phone := l.baresip("tcp", "")
	f := p.registered().flow
	l.say(phone, "/quit")
	last := p.await(patience, 2, "REGISTER", of("REGISTER"))
	end := p.await(patience, 1, "end", f.on(is(ended, aborted)))
	expires, _ := has(last.field("contact"), "expires")
	l.proves("B23", last.flow == f && expires == "0" && end.kind == ended, "expires=%s, then %s", expires, end.kind)
}
