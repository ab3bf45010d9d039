// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestChanSIPRegisters(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true, agreed("Flow-Timer: 20")...)
	l.chanSIP(l.chanSIPRegisters("tcp"))
	first := p.registered()
	f, via := first.flow, first.via()
	_, found := has(via, "rport")
	l.proves("C1", !found && lacks(via, "alias", "keep", "ob") && first.sentBy() == l.a.addr.String()+":5060" && f.remote.Port() != 5060, "Via: %s, from %s", via, f.remote)
	contact := first.field("contact")
	l.proves("C2", lacks(contact, "+sip.instance", "reg-id", "ob") && !strings.Contains(first.field("supported"), "outbound"), "Contact: %s, Supported: %s", contact, first.field("supported"))
	for range 3 {
		f.send("\r\n\r\n")
	}
	f.send("\r\n")
	p.none(3*time.Second, 0, f.on(is(pong, ping, other)))
	back := p.backwards(f)
	l.proves("C3", back.status() == "200" && len(p.all(is(opened))) == 1, "pings and a lone CRLF were not answered, OPTIONS was with %s, on the connection", back.status())
	again := p.await(70*time.Second, 2, "REGISTER", of("REGISTER"))
	l.proves("C4", again.flow == f, "registered again after %.1f s of 60, same connection %v", again.at.Sub(first.at).Seconds(), again.flow == f)
	f.conn.Close()
	closed := time.Now()
	next := p.await(2*time.Minute, 3, "REGISTER", of("REGISTER"))
	l.proves("C5", next.flow != f, "after our FIN registered %.1f s later on a new connection", next.at.Sub(closed).Seconds())
}

func TestChanSIPServer(t *testing.T) {
	l := newLab(t)
	p := l.newPeer(l.b, nil)
	l.chanSIP("")
	server := netip.AddrPortFrom(l.a.addr, 5060)
	f, m := p.asked(server, "keep;alias;")
	l.proves("C6", !lacks(m.via(), "keep", "alias"), "reply to keep;alias: %s", m.via())
	silent := p.dial(server)
	var took []float64
	for _, c := range []*flow{silent, f} {
		end := p.await(time.Minute, 1, "end", c.on(is(ended)))
		took = append(took, end.at.Sub(p.all(c.on(is(opened)))[0].at).Seconds())
	}
	l.proves("C7", within(took, 30, 30), "FIN after %s, though one had asked", figures(took))
}
