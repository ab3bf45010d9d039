// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// register binds alice over a new connection, whose Via and Contact name port,
// or its own port if that is 0.
func (p *peer) register(server netip.AddrPort, port uint16, viaParameters string, more ...string) (*flow, message) {
	p.Helper()
	return p.bind(server, port, viaParameters, ";reg-id=1"+instance, more...)
}

const instance = `;+sip.instance="<urn:uuid:00000000-0000-4000-8000-000000000001>"`

// bind is register with other parameters of the Contact.
func (p *peer) bind(server netip.AddrPort, port uint16, viaParameters, contactParameters string, more ...string) (*flow, message) {
	p.Helper()
	f := p.dial(server)
	sentBy := netip.AddrPortFrom(p.addr, port)
	if port == 0 {
		sentBy = f.local
	}
	m := request("REGISTER", "sip:example.com", "tcp", sentBy, viaParameters, append(more, "Expires: 600",
		fmt.Sprintf("Contact: <sip:alice@%s;transport=tcp>%s", sentBy, contactParameters))...)
	return f, p.ask(f, m.as("alice"))
}

// relayed has another client send alice n requests, and returns on what flow
// they came to her.
func (p *peer) relayed(server netip.AddrPort, n int) (on []*flow, last message) {
	p.Helper()
	caller := p.newPeer(p.side, nil)
	c := caller.dial(server)
	for range n {
		m := request("MESSAGE", "sip:alice@example.com", "tcp", c.local, "")
		if status := caller.ask(c, m).status(); status != "200" {
			p.Fatalf("MESSAGE to alice was answered with %s", status)
		}
	}
	for _, i := range p.all(of("MESSAGE")) {
		on, last = append(on, i.flow), i.message
	}
	return on, last
}

// reuse is where the requests to a registered client go.
func reuse(t *testing.T, globals, modules, route string, port uint16, viaParameters string) (l *lab, p *peer, registered *flow, on []*flow, last message) {
	l = newLab(t)
	server := l.kamailio(globals, modules, route+registrar)
	p = l.newPeer(l.a, nil)
	p.listen(5070)
	registered, m := p.register(server, port, viaParameters)
	if m.status() != "200" {
		t.Fatalf("REGISTER was answered with %s", m)
	}
	on, last = p.relayed(server, 3)
	return l, p, registered, on, last
}

func same(flows []*flow) bool {
	return len(flows) == 3 && flows[0] == flows[1] && flows[1] == flows[2]
}

func TestKamailioReusesContactAddress(t *testing.T) {
	l, _, registered, on, last := reuse(t, "", "", "", 0, "")
	l.proves("K20", same(on) && on[0] == registered, "3 requests on the registering connection: %v", same(on))
	l.proves("K21", lacks(last.via(), "rport", "alias", "keep"), "its own Via: %s", last.via())
}

func TestKamailioOpensSecond(t *testing.T) {
	l, p, registered, on, _ := reuse(t, "tcp_connection_lifetime=5", "", "", 5070, "alias;")
	l.proves("K22", same(on) && on[0] != registered, "3 requests on one second connection, from %s", on[0].remote)
	last := p.all(on[0].on(of("MESSAGE")))[2].at
	end := p.await(patience, 1, "end", on[0].on(is(ended, aborted)))
	took := end.at.Sub(last).Seconds()
	l.proves("K23", end.kind == ended && took > 5 && took < 13, "%s on the second one after %.1f s", end.kind, took)
	l.until(patience, func() string {
		for _, peer := range l.report().Peers {
			if peer.DuplicatePairs > 0 {
				return ""
			}
		}
		return "viaduct reports no duplicate pair"
	})
}

func TestKamailioAcceptsAlias(t *testing.T) {
	l, _, registered, on, _ := reuse(t, "tcp_accept_aliases=yes", "", "", 5070, "alias;")
	l.proves("K24", same(on) && on[0] == registered, "requests on the registering connection: %v", on[0] == registered)
}

func TestKamailioWithoutAlias(t *testing.T) {
	l, _, registered, on, _ := reuse(t, "tcp_accept_aliases=yes", "", "", 5070, "")
	l.proves("K25", same(on) && on[0] != registered, "without alias in the Via requests came on another connection: %v", on[0] != registered)
}

func TestKamailioNatedRegister(t *testing.T) {
	l, _, registered, on, _ := reuse(t, "", `loadmodule "nathelper.so"
modparam("nathelper|registrar", "received_avp", "$avp(received)")`, `if (is_method("REGISTER")) fix_nated_register();`, 5070, "")
	l.proves("K26", same(on) && on[0] == registered, "requests on the registering connection: %v", on[0] == registered)
}

func TestKamailioKernelKeepalive(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("", "", "")
	p := l.newPeer(l.a, nil)
	p.asked(server, "")
	out, err := exec.Command("ip", "netns", "exec", l.b.netns, "ss", "-Htno", "state", "established").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l.proves("K17", strings.Contains(string(out), "timer:(keepalive,119min,0)") || strings.Contains(string(out), "timer:(keepalive,120min,0)"), "ss: %s", out)
}

// natPings is what Kamailio sends in 12 s to clients that registered over UDP and TCP.
func natPings(t *testing.T, parameters, route string) (l *lab, p *peer, datagrams, stream *flow) {
	l = newLab(t)
	server := l.kamailio("", `loadmodule "nathelper.so"
modparam("nathelper", "natping_interval", 3)
modparam("nathelper", "sipping_from", "sip:ping@example.com")
`+parameters, route+registrar)
	p = l.newPeer(l.a, nil)
	stream, _ = p.register(server, 0, "")
	socket := p.datagrams(5071)
	datagrams = &flow{p, "udp", addrOf(socket.LocalAddr()), server, nil, socket}
	m := request("REGISTER", "sip:example.com", "udp", datagrams.local, "", "Expires: 600", fmt.Sprintf("Contact: <sip:bob@%s>", datagrams.local))
	p.ask(datagrams, message(strings.ReplaceAll(string(m), "sip:probe@", "sip:bob@")))
	p.none(12*time.Second, 1000, func(item) bool { return true })
	return l, p, datagrams, stream
}

func TestKamailioNatPing(t *testing.T) {
	l, p, datagrams, stream := natPings(t, `modparam("nathelper", "ping_nated_only", 0)`, "")
	zeros := p.all(datagrams.on(func(i item) bool { return i.kind == other && i.message == "00000000" }))
	l.proves("K30", within(gaps(zeros), 3, 3), "4 zero bytes over UDP: %s", figures(gaps(zeros)))
	l.proves("K31", len(p.all(stream.on(is(sip, ping, pong, other)))) == 1, "nothing over TCP but the reply to REGISTER")
}

func TestKamailioOptionsPing(t *testing.T) {
	l, p, datagrams, stream := natPings(t, `loadmodule "kex.so"
modparam("nathelper", "sipping_bflag", 7)
modparam("usrloc", "nat_bflag", 6)
modparam("nathelper|registrar", "received_avp", "$avp(received)")
modparam("nathelper", "ping_nated_only", 0)`, `setbflag(7); setbflag(6); if (is_method("REGISTER")) fix_nated_register();`)
	over := p.all(datagrams.on(of("OPTIONS")))
	l.proves("K32", within(gaps(over), 3, 3), "OPTIONS over UDP: %s", figures(gaps(over)))
	over = p.all(stream.on(of("OPTIONS")))
	l.proves("K33", len(over) == 0, "%d OPTIONS over the registering TCP connection", len(over))
}

func TestKamailioDispatcher(t *testing.T) {
	l := newLab(t)
	_, list := l.file("list", fmt.Sprintf("1 sip:%s:5070;transport=tcp 0\n", l.a.addr))
	p := l.newPeer(l.a, nil)
	p.listen(5070)
	l.kamailio("tcp_connection_lifetime=5", fmt.Sprintf(`loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "%s")
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_ping_interval", 3)`, list), "")
	p.await(patience, 6, "OPTIONS", of("OPTIONS"))
	all := p.all(of("OPTIONS"))
	l.proves("K27", len(p.all(is(opened))) == 1 && within(gaps(all), 3, 3), "OPTIONS %s, on %d connection", figures(gaps(all)), len(p.all(is(opened))))
	via := all[0].via()
	l.proves("K28", lacks(via, "rport", "alias", "keep") && !strings.Contains(all[0].sentBy(), ":"), "Via: %s", via)
}

const outboundModules = `loadmodule "rr.so"
loadmodule "path.so"
loadmodule "stun.so"
loadmodule "outbound.so"
modparam("outbound", "force_outbound_flag", 8)
modparam("registrar", "outbound_mode", 1)
modparam("registrar", "flow_timer", 20)`

func TestKamailioOutbound(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("tcp_connection_lifetime=5", outboundModules, registrar)
	p := l.newPeer(l.a, nil)
	p.listen(5070)
	plain, m := p.register(server, 5070, "keep;")
	l.proves("O1", m.field("require") == "" && m.field("flow-timer") == "", "without Supported: outbound: Require %q, Flow-Timer %q", m.field("require"), m.field("flow-timer"))
	plain.conn.Close()
	f, m := p.register(server, 5070, "keep;", "Supported: outbound, path")
	l.proves("O2", m.status() == "200" && m.field("require") == "outbound" && m.field("flow-timer") == "20", "%s, Require: %s, Supported: %s, Flow-Timer: %s, Contact: %s",
		m.status(), m.field("require"), m.field("supported"), m.field("flow-timer"), m.field("contact"))
	v, _ := has(m.via(), "keep")
	l.proves("O3", v == "", "Via in that reply: %s", m.via())
	if keep := l.far(f.local).Negotiated.Keep; keep == nil || !keep.Offered || keep.Agreed != nil && *keep.Agreed {
		l.Errorf("viaduct says of an echo: %+v", keep)
	}
	on, _ := p.relayed(server, 3)
	l.proves("O4", same(on) && on[0] != f, "requests to a Contact with another port on the flow: %v", on[0] == f)
	last := p.all(f.on(is(sip)))
	end := p.await(patience, 1, "end", f.on(is(ended, aborted)))
	took := end.at.Sub(last[len(last)-1].at).Seconds()
	l.proves("O5", end.kind == ended && took < 13, "the flow was closed %.1f s after the last message, Flow-Timer 20, lifetime 5", took)
}

func TestKamailioOutboundNated(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("", outboundModules+`
loadmodule "nathelper.so"
modparam("nathelper|registrar", "received_avp", "$avp(received)")`, `if (is_method("REGISTER")) fix_nated_register();`+registrar)
	p := l.newPeer(l.a, nil)
	p.listen(5070)
	f, _ := p.register(server, 5070, "", "Supported: outbound, path")
	on, _ := p.relayed(server, 3)
	l.proves("O6", same(on) && on[0] == f, "with fix_nated_register, requests on the flow: %v", on[0] == f)
}

// TestKamailioOutboundInvalid: what RFC 5626, section 6, has a registrar treat
// as no outbound registration.
func TestKamailioOutboundInvalid(t *testing.T) {
	l := newLab(t)
	server := l.kamailio("", outboundModules, registrar)
	p := l.newPeer(l.a, nil)
	_, m := p.bind(server, 0, "", instance, "Supported: outbound, path")
	l.proves("O7", m.status() == "200" && m.field("require") == "outbound" && m.field("flow-timer") == "20", "no reg-id: %s, Require: %s, Flow-Timer: %s", m.status(), m.field("require"), m.field("flow-timer"))
	_, m = p.bind(server, 0, "", ";reg-id=1", "Supported: outbound, path")
	l.proves("O8", m.status() == "200" && m.field("require") == "outbound" && m.field("flow-timer") == "20", "no +sip.instance: %s, Require: %s, Flow-Timer: %s", m.status(), m.field("require"), m.field("flow-timer"))
}
