// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestAsteriskServer(t *testing.T) {
	l := newLab(t)
	l.asterisk("asterisk22", l.b, "", "", "")
	booted := time.Now()
	server := netip.AddrPortFrom(l.b.addr, 5060)
	p := l.newPeer(l.a, nil)
	f, m := p.asked(server, "keep;alias;persistent;")
	l.proves("A1", !lacks(m.via(), "keep", "alias", "persistent"), "reply to keep;alias;persistent: %s", m.via())
	_, m = p.asked(server, "keep=30;")
	keep, _ := has(m.via(), "keep")
	l.proves("A2", keep == "30", "reply to keep=30: %s", m.via())
	port, _ := has(m.via(), "rport")
	received, _ := has(m.via(), "received")
	l.proves("A3", port != "" && received == l.a.addr.String(), "reply to a Via without rport: %s", m.via())

	for range 3 {
		f.send("\r\n\r\n")
	}
	p.none(3*time.Second, 0, f.on(is(pong, other)))
	l.proves("A4", p.ask(f, request("OPTIONS", "sip:echo@"+l.b.addr.String(), "tcp", f.local, "")).status() == "200", "pings: no pong, then 200")
	for range 3 {
		f.send("\r\n")
		p.none(time.Second, 0, f.on(is(pong)))
		f.send("\r\n" + string(request("OPTIONS", "sip:echo@"+l.b.addr.String(), "tcp", f.local, "")))
	}
	p.await(patience, 5, "responses", f.on(is(sip)))
	l.proves("A5", true, "lone CRLFs, before a request, too: no answer, and each request was answered")

	datagrams := p.datagrams(5063)
	from := &flow{p, "udp", addrOf(datagrams.LocalAddr()), server, nil, datagrams}
	for _, b := range []string{"\r\n\r\n", "\r\n", "\x00\x00\x00\x00"} {
		from.send(b)
	}
	ok := p.ask(from, request("OPTIONS", "sip:echo@"+l.b.addr.String(), "udp", from.local, "")).status() == "200"
	p.none(2*time.Second, 0, func(i item) bool { return i.flow.datagrams == datagrams && i.kind != sip })
	l.proves("A6", ok, "over UDP CRLFCRLF, CRLF and 4 zero bytes were not answered, OPTIONS was")

	silent := p.dial(server)
	end := p.await(time.Minute, 1, "end", silent.on(is(ended, aborted)))
	took := end.at.Sub(p.all(silent.on(is(opened)))[0].at).Seconds()
	l.proves("A7", end.kind == ended && took > 31.5 && took < 34, "silent: %s after %.1f s", end.kind, took)
	first := p.await(100*time.Second, 1, "ping", f.on(is(ping)))
	took = first.at.Sub(booted).Seconds()
	l.proves("A8", took > 80 && took < 92, "by default the first ping %.1f s after the start", took)
	l.proves("A9", len(p.all(f.on(is(ended, aborted)))) == 0, "open 80 s after the last request")
}

func TestAsteriskServerPings(t *testing.T) {
	l := newLab(t)
	l.asterisk("asterisk22", l.b, "keep_alive_interval=5", "", "")
	server := netip.AddrPortFrom(l.b.addr, 5060)
	p := l.newPeer(l.a, nil)
	f, _ := p.asked(server, "")
	good := l.newPeer(l.a, nil)
	good.pongs = true
	g, _ := good.asked(server, "")
	silent := p.dial(server)
	p.await(time.Minute, 9, "pings", f.on(is(ping)))
	l.proves("A10", within(gaps(p.all(f.on(is(ping)))), 5, 5) && len(p.all(f.on(is(ended, aborted)))) == 0,
		"unanswered: a ping every %s, open", figures(gaps(p.all(f.on(is(ping))))))
	pinged := len(p.all(silent.on(is(ping))))
	l.proves("A11", pinged > 4 && len(p.all(silent.on(is(ended)))) == 1, "silent: %d pings, then FIN", pinged)
	status := good.ask(g, request("OPTIONS", "sip:echo@"+l.b.addr.String(), "tcp", g.local, "")).status()
	l.until(patience, func() string {
		c := l.far(server)
		for _, other := range l.report().Connections {
			if other.Remote == g.local.String() {
				c = &other
			}
		}
		if c == nil || c.Keepalives.PingsSent < 8 || c.Keepalives.PongsReceived < 8 || c.Keepalives.Unanswered > 0 {
			return fmt.Sprintf("viaduct has not seen the pongs: %s", said(c))
		}
		return ""
	})
	l.proves("A12", status == "200" && len(good.all(g.on(is(pong, ended, aborted)))) == 0, "a pong to each: nothing is said of them, a request is answered with %s", status)
}

// TestAsteriskServerEnds: a server that pings all connections at once, and closes
// those on which nothing is asked, is none that misses pongs.
func TestAsteriskServerEnds(t *testing.T) {
	l := newLab(t)
	l.asterisk("asterisk22", l.b, "keep_alive_interval=18", "", "")
	p := l.newPeer(l.a, nil)
	for range 2 {
		p.dial(netip.AddrPortFrom(l.b.addr, 5060))
	}
	p.await(time.Minute, 2, "ends", is(ended))
}

// qualified registers alice from a connection, with a Contact at a port, 0 for
// the connection's own, and returns where Asterisk asks OPTIONS.
func qualified(t *testing.T, transport, alice string, port uint16) (l *lab, p *peer, f *flow, on []item, m message) {
	l = newLab(t)
	l.asterisk("asterisk22", l.b, "", "qualify_frequency=3\n|"+alice, "")
	server := netip.AddrPortFrom(l.b.addr, 5060)
	p = l.newPeer(l.a, nil)
	if port != 0 {
		p.listen(port)
	}
	if transport == "udp" {
		d := p.datagrams(5063)
		f = &flow{p, "udp", addrOf(d.LocalAddr()), server, nil, d}
		m = p.ask(f, binding(transport, f.local, f.local.Port()))
	} else {
		f, m = p.bind(server, port, "", ";reg-id=1"+instance, "Supported: outbound, path")
	}
	p.await(patience, 4, "OPTIONS", of("OPTIONS"))
	return l, p, f, p.all(of("OPTIONS")), m
}

func binding(transport string, from netip.AddrPort, port uint16) message {
	m := request("REGISTER", "sip:example.com", transport, from, "", "Expires: 600",
		fmt.Sprintf("Contact: <sip:alice@%s;transport=%s>", netip.AddrPortFrom(from.Addr(), port), transport))
	return m.as("alice")
}

func TestAsteriskQualifies(t *testing.T) {
	l, p, f, on, m := qualified(t, "tcp", "", 0)
	l.proves("A13", m.status() == "200" && m.field("require") == "" && m.field("flow-timer") == "", "REGISTER that asks for outbound: %s, Require %q, Flow-Timer %q", m.status(), m.field("require"), m.field("flow-timer"))
	l.proves("A14", within(gaps(on), 3, 3) && len(p.all(is(opened))) == 1, "OPTIONS every %s, all on the registering connection", figures(gaps(on)))
	via := on[0].via()
	rport, found := has(via, "rport")
	l.proves("A15", found && rport == "" && !lacks(via, "alias") && lacks(via, "keep", "ob") && on[0].sentBy() == f.remote.String(), "Via: %s", via)
}

func TestAsteriskOpensSecond(t *testing.T) {
	l, p, f, on, _ := qualified(t, "tcp", "", 5070)
	l.proves("A16", on[0].flow != f && on[3].flow == on[0].flow && len(p.all(is(opened))) == 2, "the Contact names another port: a second connection")
}

func TestAsteriskRewritesContact(t *testing.T) {
	l, p, f, on, _ := qualified(t, "tcp", "rewrite_contact=yes", 5070)
	l.proves("A17", on[0].flow == f && on[3].flow == f && len(p.all(is(opened))) == 1, "with rewrite_contact: on the registering connection")
}

func TestAsteriskQualifiesUDP(t *testing.T) {
	l, p, _, on, _ := qualified(t, "udp", "", 0)
	l.proves("A18", within(gaps(on), 3, 3) && len(p.all(is(ping, pong, stun, other))) == 0, "OPTIONS every %s, no other keep-alive", figures(gaps(on)))
	via := on[0].via()
	rport, found := has(via, "rport")
	l.proves("A19", found && rport == "" && lacks(via, "alias"), "Via: %s", via)
}
