// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/testutil/release"
)

func TestAsteriskRegisters(t *testing.T) {
	l := newLab(t)
	p := l.newPeer(l.b, func(f *flow, m message) message {
		return accepted(m, "Flow-Timer: 20").alterVia(func(via string) string { return via + ";keep=10" })
	})
	p.listen(5060)
	a := l.asterisk("asterisk22", l.a, "", "", l.registersAs("tcp", ""))
	first := p.registered()
	f, via := first.flow, first.via()
	rport, found := has(via, "rport")
	l.proves("A20", found && rport == "" && !lacks(via, "alias") && lacks(via, "keep", "ob") && first.sentBy() == l.a.addr.String()+":5060" && f.remote.Port() != 5060,
		"Via: %s, from %s", via, f.remote)
	contact := first.field("contact")
	l.proves("A21", lacks(contact, "+sip.instance", "reg-id", "ob") && strings.Contains(contact, "@"+l.a.addr.String()+":5060") && !strings.Contains(first.field("supported"), "outbound"),
		"Contact: %s, Supported: %s", contact, first.field("supported"))
	for range 3 {
		f.send("\r\n\r\n")
	}
	f.send("\r\n")
	p.none(3*time.Second, 0, f.on(is(pong, ping, other)))
	back := p.backwards(f)
	l.proves("A22", back.status() == "200" && len(p.all(is(opened))) == 1, "pings and a lone CRLF were not answered, OPTIONS backwards was, on the connection")
	again := p.await(70*time.Second, 2, "REGISTER", of("REGISTER"))
	after := again.at.Sub(first.at).Seconds()
	l.proves("A23", again.flow == f, "registered again after %.1f s of 60, same connection %v", after, again.flow == f)
	f.conn.Close()
	closed := time.Now()
	next := p.await(2*time.Minute, 3, "REGISTER", of("REGISTER"))
	l.proves("A24", next.flow != f, "after our FIN registered %.1f s later on a new connection", next.at.Sub(closed).Seconds())
	a.Process.Signal(syscall.SIGTERM)
	end := p.await(patience, 1, "end", next.flow.on(is(ended, aborted)))
	last := p.all(next.flow.on(of("REGISTER")))
	expires, _ := has(last[len(last)-1].field("contact"), "expires")
	l.proves("A25", end.kind == ended, "SIGTERM: %d REGISTER, the last with expires=%s %s, then %s", len(last), expires, last[len(last)-1].field("expires"), end.kind)
}

func TestAsteriskOutbound(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true, agreed("Flow-Timer: 20")...)
	l.asterisk("asterisk22", l.a, "keep_alive_interval=5", "", l.registersAs("tcp", "support_path=yes\nsupport_outbound=yes"))
	first := p.registered()
	contact := first.field("contact")
	l.proves("A26", strings.Contains(first.field("supported"), "outbound"), "Contact: %s, Supported: %s", contact, first.field("supported"))
	p.await(time.Minute, 6, "pings", is(ping))
	l.proves("A27", within(gaps(p.all(is(ping))), 5, 5), "pings every %s", figures(gaps(p.all(is(ping)))))
	l.until(patience, func() string {
		c := l.far(first.flow.remote)
		if c.Keepalives.PingsSent < 5 || c.Keepalives.PingsSent != c.Keepalives.PongsReceived || c.Keepalives.Unanswered != 0 {
			return "viaduct: " + said(c)
		}
		l.Logf("viaduct: %s %s", said(c.Class), said(c.Negotiated))
		return ""
	})
}

// trunk is an Asterisk that is started on side a and registers with Kamailio on side b, and
// three calls to it through that.
func trunk(t *testing.T, proxy *release.Release, transport string, start func(l *lab)) (l *lab, a, k *report.Connection) {
	l = newLab(t)
	l.release = proxy
	l.keptKamailio(transport)
	start(l)
	l.until(patience, func() string {
		// Over TLS the first request may have gone before the program was probed.
		a = l.between(l.a, l.b, transport)
		if a == nil || a.Messages.ResponsesReceived == 0 && (transport != "tls" || time.Since(*a.Opened) < 3*time.Second) {
			return "not registered"
		}
		return ""
	})
	l.reaches("alice")
	caller := l.start(l.a, l.TempDir(), "sipp", "-t", "t1", "-i", l.a.addr.String(), "-p", "5062", "-sn", "uac", "-s", "alice", "-nostdin", "-nr", "-m", "3", "-timeout", "30", l.b.addr.String()+":5060")
	<-caller.Done
	if code := caller.ProcessState.ExitCode(); code != 0 {
		l.Fatalf("sipp ended with %d", code)
	}
	l.until(patience, func() string {
		a, k = l.between(l.a, l.b, transport), l.between(l.b, l.a, transport)
		switch {
		case a == nil || k == nil:
			return "viaduct does not know both ends"
		case a.Process == nil || a.Process.Name != "asterisk" || k.Process == nil || k.Process.Name != "kamailio":
			return fmt.Sprintf("wrong processes: %s and %s", said(a.Process), said(k.Process))
		case transport == "tls" && (a.TLS.Plaintext != "seen" || k.TLS.Plaintext != "seen"):
			return "viaduct does not see inside: " + said(a.TLS) + said(k.TLS)
		case a.Messages.RequestsReceived < 10 || k.Messages.ResponsesReceived < 10:
			return "viaduct has not seen all: " + said(a.Messages) + said(k.Messages)
		}
		return ""
	})
	return l, a, k
}

// trunkCases are an Asterisk, a Kamailio ("" for this host's) and what is between them.
var trunkCases = []struct{ fact, asterisk, kamailio, transport string }{
	{"P8", "asterisk22", "", "tcp"},
	{"P9", "asterisk22", "", "tls"},
	{"P10", "asterisk22", "", "udp"},
	{"P11", "asterisk22", "kamailio6.0", "tcp"},
	{"P12", "asterisk22", "kamailio6.0", "tls"},
	{"P13", "asterisk22", "kamailio6.1", "tls"},
	{"P14", "asterisk16", "", "tcp"},
	{"P15", "asterisk16", "", "tls"},
	{"P16", "chan_sip", "", "tcp"},
	{"P17", "chan_sip", "", "tls"},
	{"P18", "chan_sip", "", "udp"},
}

// TestTrunks: each message is seen once, at both ends.
func TestTrunks(t *testing.T) {
	for _, tt := range trunkCases {
		t.Run(tt.fact, func(t *testing.T) {
			var proxy *release.Release
			if tt.kamailio != "" {
				proxy = elsewhere(t, tt.kamailio)
			}
			l, a, k := trunk(t, proxy, tt.transport, func(l *lab) {
				if tt.asterisk == "chan_sip" {
					l.chanSIP(l.chanSIPRegisters(tt.transport))
				} else {
					l.asterisk(tt.asterisk, l.a, "keep_alive_interval=5", "", l.registersAs(tt.transport, ""))
				}
			})
			m, n := a.Messages, k.Messages
			registered := func(n uint32) bool { return n == 1 || n == 0 && tt.transport == "tls" }
			l.proves(tt.fact, m.RequestsReceived == 10 && m.ResponsesSent == 10 && n.RequestsSent == 10 && n.ResponsesReceived == 10 && m.Malformed+n.Malformed == 0 &&
				registered(m.RequestsSent) && registered(m.ResponsesReceived) && registered(n.RequestsReceived) && registered(n.ResponsesSent) &&
				a.Class.Observed == "bidirectional-ephemeral" && k.Class.Observed == a.Class.Observed,
				"class %s, at Asterisk %s, at Kamailio %s", a.Class.Observed, said(m), said(n))
		})
	}
}

func TestAsteriskTLS(t *testing.T) {
	l := newLab(t)
	p := l.registrar(true)
	p.listenTLS()
	l.asterisk("asterisk22", l.a, "keep_alive_interval=5", "", l.registersAs("tls", ""))
	first := p.registered()
	l.proves("T8", !lacks(first.via(), "alias"), "Via: %s", first.via())
	p.await(time.Minute, 4, "pings", is(ping))
	l.proves("T9", within(gaps(p.all(is(ping))), 5, 5), "pings inside TLS: %s", figures(gaps(p.all(is(ping)))))
	l.seesInside(first.flow)
}
