// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kamailio runs on side b with what is given of its configuration. A request
// that route does not end is sent back as 200.
func (l *lab) kamailio(globals, modules, route string) netip.AddrPort {
	l.Helper()
	dir, path := l.file("kamailio.cfg", fmt.Sprintf(`#!KAMAILIO
log_stderror=yes
children=2
tcp_children=2
dns=no
rev_dns=no
auto_aliases=no
listen=udp:%[1]s:5060
listen=tcp:%[1]s:5060
%[2]s
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("usrloc", "db_mode", 0)
%[3]s
request_route {
	%[4]s
	sl_send_reply("200", "OK");
}
`, l.b.addr, globals, modules, route))
	args := []string{"-f", path, "-DD", "-E", "-Y", dir, "-m", "16", "-M", "4"}
	if l.release != nil {
		l.server = l.startOf(*l.release, l.b, dir, cmp.Or(l.proxy, "/usr/sbin/kamailio"), args...)
	} else {
		l.server = l.start(l.b, dir, cmp.Or(l.proxy, "kamailio"), args...)
	}
	l.listening(l.server, 5060)
	return netip.AddrPortFrom(l.b.addr, 5060)
}

// registrar is a route that keeps bindings and relays to them.
const registrar = `
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	if (lookup("location")) {
		t_relay();
		exit;
	}`

// ask sends a request and returns its final response.
func (p *peer) ask(f *flow, m message) message {
	p.Helper()
	f.send(string(m))
	return p.await(patience, 1, "final response to "+m.method(), f.on(answered(m))).message
}

// asked is ask on a new connection.
func (p *peer) asked(server netip.AddrPort, viaParameters string, more ...string) (*flow, message) {
	p.Helper()
	f := p.dial(server)
	return f, p.ask(f, request("OPTIONS", "sip:probe@example.com", "tcp", f.local, viaParameters, more...))
}

func TestKamailioVia(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("", "", "")
	p := l.newPeer(l.a, nil)
	_, m := p.asked(server, "keep;alias;persistent;", "Supported: persistence", "Persistent-Timeout: 3600")
	via := m.via()
	l.proves("K1", strings.Contains(via, ";keep;alias;persistent;"), "reply to keep;alias;persistent: %s", via)
	_, m = p.asked(server, "keep=30;")
	l.proves("K2", strings.Contains(m.via(), ";keep=30;"), "reply to keep=30: %s", m.via())
	f, m := p.asked(server, "rport;")
	port, _ := has(m.via(), "rport")
	received, _ := has(m.via(), "received")
	l.proves("K3", port == fmt.Sprint(f.local.Port()) && received == l.a.addr.String(), "reply to rport: %s", m.via())
	_, m = p.asked(server, "")
	l.proves("K4", lacks(m.via(), "rport", "received"), "reply to a Via without: %s", m.via())
	f = p.dial(server)
	f.send(string(request("OPTIONS", "sip:probe@example.com", "ptcp", f.local, "")))
	end := p.await(patience, 1, "end", f.on(is(ended, aborted)))
	f.conn.Close()
	l.until(patience, func() string {
		if c := l.far(f.local); c == nil || c.Close == nil || c.Close.By != "remote" || c.PendingTransactions+c.Close.PendingTransactions != 1 {
			return "viaduct has not seen Kamailio close on a request"
		}
		return ""
	})
	l.proves("K5", len(p.all(f.on(is(sip)))) == 0, "PTCP: %s, %d answers", end.kind, len(p.all(f.on(is(sip)))))
}

func TestKamailioForcedRport(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("", "", "force_rport();")
	p := l.newPeer(l.a, nil)
	f, m := p.asked(server, "")
	port, _ := has(m.via(), "rport")
	l.proves("K6", port == fmt.Sprint(f.local.Port()), "reply with force_rport: %s", m.via())
}

// The client's own number is taken off before that of the server is put there.
const agreesKeep = `subst_hf("Via", "/;keep(=[0-9]*)?(;|$)/;keep=30\2/", "f"); msg_apply_changes();`

func TestKamailioAgreesKeep(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("", `loadmodule "textopsx.so"`, agreesKeep)
	p := l.newPeer(l.a, nil)
	f, m := p.register(server, 0, "keep;")
	_, other := p.register(server, 0, "keep=7;")
	l.proves("K7", strings.Contains(m.via(), ";keep=30;") && strings.Contains(other.via(), ";keep=30;"), "replies: %s and %s", m.via(), other.via())
	l.until(patience, func() string {
		if c := l.far(f.local); c == nil || c.Negotiated.Keep == nil || c.Negotiated.Keep.Agreed == nil || !*c.Negotiated.Keep.Agreed || *c.Negotiated.Keep.Seconds != 30 {
			return "viaduct sees no agreement"
		}
		return ""
	})
}

func TestKamailioPings(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("", "", "")
	p := l.newPeer(l.a, nil)
	f, _ := p.asked(server, "")
	took := p.pongTimes(f, 20)
	l.proves("K8", within(took, 0, 0), "pong after %s", milliseconds(took))
	r := l.far(server)
	l.until(patience, func() string {
		r = l.far(server)
		if r == nil || r.Keepalives.PingsReceived != 20 || r.Keepalives.PongsSent != 20 {
			return "viaduct has not seen 20 pings and pongs"
		}
		return ""
	})

	f.send("\r\n")
	m := request("OPTIONS", "sip:probe@example.com", "tcp", f.local, "")
	ok := p.ask(f, m).status() == "200"
	l.proves("K9", ok && len(p.all(f.on(is(pong)))) == 20, "a lone CRLF: %d CRLF more, then 200 %v", len(p.all(f.on(is(pong))))-20, ok)
	f.send("\r\n")
	p.none(2*time.Second, 20, f.on(is(pong)))
	f.send("\r\n")
	p.await(patience, 21, "CRLF", f.on(is(pong)))
	l.proves("K10", true, "two lone CRLFs 2 s apart were answered by one CRLF")

	datagrams := p.datagrams(5063)
	from := &flow{p, "udp", addrOf(datagrams.LocalAddr()), server, nil, datagrams}
	from.send("\r\n\r\n")
	from.send("\r\n")
	from.send("\x00\x00\x00\x00")
	ok = p.ask(from, request("OPTIONS", "sip:probe@example.com", "udp", from.local, "")).status() == "200"
	p.none(2*time.Second, 0, func(i item) bool { return i.flow.datagrams == datagrams && i.kind != sip })
	l.proves("K11", ok, "over UDP CRLFCRLF, CRLF and 4 zero bytes were not answered, OPTIONS was")
}

func TestKamailioNoPong(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("tcp_crlf_ping=no", "", "")
	p := l.newPeer(l.a, nil)
	f, _ := p.asked(server, "")
	f.send("\r\n\r\n")
	p.none(3*time.Second, 0, f.on(is(pong)))
	status := p.ask(f, request("OPTIONS", "sip:probe@example.com", "tcp", f.local, "")).status()
	l.proves("K12", status == "200", "no pong in 3 s, and a later request was answered with %s", status)
}

func TestKamailioIdle(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("tcp_connection_lifetime=5", "", "")
	p := l.newPeer(l.a, nil)
	// Three that say nothing, three that ask once, and one that pings.
	var silent, asked []*flow
	for range 3 {
		silent = append(silent, p.dial(server))
	}
	for range 3 {
		f, _ := p.asked(server, "")
		asked = append(asked, f)
	}
	pinging := p.dial(server)
	for n := range 12 {
		pinging.send("\r\n\r\n")
		p.await(patience, n+1, "pongs", pinging.on(is(pong)))
		p.none(2*time.Second, 0, pinging.on(is(ended, aborted)))
	}
	l.proves("K15", true, "open after 24 s of a ping every 2 s")
	idle := func(flows []*flow) (seconds []float64, fins int) {
		for _, f := range flows {
			end := p.await(patience, 1, "end", f.on(is(ended, aborted)))
			if end.kind == ended {
				fins++
			}
			all := p.all(f.on(is(opened, sip)))
			seconds = append(seconds, end.at.Sub(all[len(all)-1].at).Seconds())
			f.conn.Close()
		}
		return seconds, fins
	}
	s, fins := idle(silent)
	l.proves("K13", fins == 3 && within(s, 5, 6), "silent: %d FIN after %s", fins, figures(s))
	s, fins = idle(asked)
	l.proves("K14", fins == 3 && within(s, 7, 12), "after one exchange: %d FIN after %s", fins, figures(s))
	l.until(patience, func() string {
		for _, c := range l.report().Connections {
			if c.Local == asked[0].local.String() && c.Close != nil && c.Close.By == "remote" && *c.Close.How == "fin" {
				l.Logf("viaduct: closed by %s with %s after %.1f s", c.Close.By, *c.Close.How, *c.Close.IdleSeconds)
				return ""
			}
		}
		return "viaduct has not seen the close"
	})
	for _, p := range l.report().Peers {
		if p.IdleTimeoutSecondsInferred != nil {
			l.Logf("viaduct infers an idle timeout of %.1f s for %s", *p.IdleTimeoutSecondsInferred, p.Address)
		}
	}
}

func TestKamailioIdleDefault(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("", "", "")
	p := l.newPeer(l.a, nil)
	f, _ := p.asked(server, "")
	last := p.all(f.on(is(sip)))[0].at
	end := p.await(150*time.Second, 1, "end", f.on(is(ended, aborted)))
	took := end.at.Sub(last).Seconds()
	l.proves("K16", end.kind == ended && took > 119 && took < 135, "default lifetime: %s after %.1f s", end.kind, took)
}

func TestKamailioStops(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("", "", "")
	p := l.newPeer(l.a, nil)
	f, _ := p.asked(server, "")
	l.server.Process.Signal(syscall.SIGTERM)
	end := p.await(patience, 1, "end", f.on(is(ended, aborted)))
	l.proves("K18", end.kind == ended, "SIGTERM: %s", end.kind)
}
