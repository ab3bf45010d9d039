// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
)

// In these no script takes part: what is asserted is what viaduct reports.

// phoneEnd waits for the phone's connection to the server to satisfy check.
func (l *lab) phoneEnd(wait time.Duration, transport string, check func(c *report.Connection) (wrong string)) *report.Connection {
	l.Helper()
	var found *report.Connection
	l.until(wait, func() string {
		r := l.report()
		for i := range r.Connections {
			c := &r.Connections[i]
			if c.Transport == transport && strings.HasPrefix(c.Local, l.a.addr.String()+":") && strings.HasSuffix(c.Remote, ":5060") && c.Transactions > 0 {
				if wrong := check(c); wrong != "" {
					return wrong
				}
				found = c
				return ""
			}
		}
		return fmt.Sprintf("viaduct knows no %s connection of the phone among %d", transport, len(r.Connections))
	})
	return found
}

func TestBaresipKamailio(t *testing.T) {
	l := newLab(t)
	l.kamailio("tcp_connection_lifetime=25", outboundModules, registrar)
	l.baresip("tcp", outbound)
	c := l.phoneEnd(100*time.Second, "tcp", func(c *report.Connection) string {
		if k := c.Keepalives; k.PingsSent < 4 || k.PongsReceived < k.PingsSent || c.Messages.RequestsSent < 2 {
			return fmt.Sprintf("%d pings, %d pongs and %d REGISTER", k.PingsSent, k.PongsReceived, c.Messages.RequestsSent)
		}
		return ""
	})
	k := c.Keepalives
	l.proves("P1", c.Negotiated.Outbound != nil && c.Negotiated.Outbound.Agreed && *c.Negotiated.Outbound.FlowTimerSeconds == 20 && c.Class.Observed == "persistent",
		"class %s, outbound %+v", c.Class.Observed, c.Negotiated.Outbound)
	l.proves("P2", k.PongsReceived == k.PingsSent && k.Unanswered == 0 && within([]float64{k.IntervalSeconds.Min, k.IntervalSeconds.Max}, 16, 20),
		"%d pings, %d pongs, after %+v", k.PingsSent, k.PongsReceived, *k.IntervalSeconds)
}

func TestBaresipKamailioUDP(t *testing.T) {
	l := newLab(t)
	l.kamailio("", outboundModules, registrar)
	l.baresip("udp", outbound)
	c := l.phoneEnd(100*time.Second, "udp", func(c *report.Connection) string {
		if k := c.Keepalives; k.StunSent < 4 || k.StunAnswered < k.StunSent {
			return fmt.Sprintf("%d STUN requests, %d answers", k.StunSent, k.StunAnswered)
		}
		return ""
	})
	k := c.Keepalives
	l.proves("P3", k.StunAnswered == k.StunSent && within([]float64{k.IntervalSeconds.Min, k.IntervalSeconds.Max}, 16, 20),
		"%d STUN requests, %d answered, after %+v", k.StunSent, k.StunAnswered, *k.IntervalSeconds)
}

func TestLinphoneKamailio(t *testing.T) {
	l := newLab(t)
	l.kamailio("tcp_connection_lifetime=25", outboundModules, registrar)
	l.linphone("tcp", "keepalive_period=5000")
	c := l.phoneEnd(100*time.Second, "tcp", func(c *report.Connection) string {
		if k := c.Keepalives; k.PingsSent < 8 || k.PongsReceived < k.PingsSent {
			return fmt.Sprintf("%d pings, %d pongs", k.PingsSent, k.PongsReceived)
		}
		return ""
	})
	k := c.Keepalives
	agreed := c.Negotiated.Outbound != nil && c.Negotiated.Outbound.Agreed
	l.proves("P4", !agreed && k.PongsReceived == k.PingsSent, "outbound agreed: %v; %d pings, %d pongs, after %+v", agreed, k.PingsSent, k.PongsReceived, *k.IntervalSeconds)
}

// relaysTo has sipp send the registered phone OPTIONS through Kamailio, and
// returns how many connections Kamailio then has with the phone, by who opened
// them.
func relaysTo(l *lab, user string) (fromPhone, fromServer int) {
	l.Helper()
	l.reaches(user)
	l.until(patience, func() string {
		fromPhone, fromServer = 0, 0
		var relayed uint32
		for _, c := range l.report().Connections {
			if !strings.HasPrefix(c.Local, l.b.addr.String()+":") || strings.HasSuffix(c.Remote, ":5062") {
				continue
			}
			relayed += c.Messages.RequestsSent
			if c.Initiator == "remote" {
				fromPhone++
			} else {
				fromServer++
			}
		}
		if relayed == 0 {
			return "viaduct has not seen the relayed request"
		}
		return ""
	})
	return fromPhone, fromServer
}

// reaches wants a request that sipp sends the user through Kamailio to be
// answered by the phone.
func (l *lab) reaches(user string) {
	l.Helper()
	dir, path := l.file("options.xml", strings.ReplaceAll(optionsScenario, "USER", user+"@"+l.b.addr.String()))
	caller := l.start(l.a, dir, "sipp", "-t", "t1", "-i", l.a.addr.String(), "-p", "5062", "-sf", path, "-nostdin", "-nr", "-m", "1", "-timeout", "30", l.b.addr.String()+":5060")
	<-caller.Done
	if code := caller.ProcessState.ExitCode(); code != 0 {
		l.Fatalf("sipp ended with %d", code)
	}
}

const optionsScenario = `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="options">
<send><![CDATA[
OPTIONS sip:USER SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:USER>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="100" optional="true"></recv>
<recv response="200"></recv>
</scenario>
`

// registeredWith waits until viaduct has seen a phone's REGISTER answered.
func (l *lab) registeredWith() {
	l.Helper()
	l.phoneEnd(patience, "tcp", func(c *report.Connection) string {
		if c.Messages.ResponsesReceived == 0 {
			return "not registered"
		}
		return ""
	})
}

func TestKamailioRelaysToBaresip(t *testing.T) {
	for _, tt := range []struct{ fact, globals string }{{"P5", ""}, {"P6", "tcp_accept_aliases=yes"}} {
		t.Run(tt.fact, func(t *testing.T) {
			l := newLab(t)
			l.kamailio(tt.globals, "", registrar)
			l.baresip("tcp", "")
			l.registeredWith()
			theirs, ours := relaysTo(l, "alice")
			l.proves(tt.fact, theirs == 1 && ours == 1, "%d connection by baresip, %d by Kamailio", theirs, ours)
		})
	}
}

func TestKamailioRelaysToLinphone(t *testing.T) {
	l := newLab(t)
	l.kamailio("", "", registrar)
	l.linphone("tcp", "")
	l.registeredWith()
	theirs, ours := relaysTo(l, "alice")
	l.proves("P7", theirs == 1 && ours == 0, "%d connection by linphone, %d by Kamailio", theirs, ours)
}
