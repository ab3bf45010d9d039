// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// sipp runs one of its built-in scenarios from port 5062.
func (l *lab) sipp(flag, scenario string, args ...string) *program {
	l.Helper()
	return l.start(l.a, l.TempDir(), "sipp", append([]string{
		"-t", flag, "-i", l.a.addr.String(), "-p", "5062", "-sn", scenario, "-nostdin", "-nr", "-timeout", "60", "-max_socket", "1000",
	}, args...)...)
}

const sippCalls = 4

// sippCaller has sipp make 4 calls, two a second. The second INVITE is answered
// after what disturb does first.
func sippCaller(t *testing.T, flag string, disturb func(*flow), args ...string) (l *lab, p *peer, code int) {
	l = newLab(t)
	p = l.newPeer(l.b, nil)
	var invites atomic.Int32
	p.answer = func(f *flow, m message) message {
		if m.method() == "INVITE" && invites.Add(1) == 2 {
			disturb(f)
		}
		return accepted(m)
	}
	p.listen(5060)
	caller := l.sipp(flag, "uac", append(args, "-m", fmt.Sprint(sippCalls), "-r", "2", p.addr.String()+":5060")...)
	select {
	case <-caller.Done:
	case <-time.After(70 * time.Second):
		l.Fatal("sipp does not end")
	}
	l.Cleanup(func() {
		if l.Failed() {
			l.Log(p.trace())
		}
	})
	return l, p, caller.ProcessState.ExitCode()
}

func TestSippOneConnection(t *testing.T) {
	l, p, code := sippCaller(t, "t1", func(f *flow) { f.send("\r\n\r\n") })
	first := p.all(of("INVITE"))[0]
	l.proves("S1", lacks(first.via(), "rport", "alias", "keep", "ob") && first.sentBy() == l.a.addr.String()+":5062", "Via: %s", first.via())
	opens, ends := p.all(is(opened)), p.all(is(ended))
	l.proves("S2", len(opens) == 1 && len(ends) == 1 && len(p.all(of("BYE"))) == sippCalls, "-t t1: %d calls on %d connection, %d FIN", len(p.all(of("BYE"))), len(opens), len(ends))
	l.proves("S4", code == 0 && len(p.all(is(pong))) == 0, "a ping before the 200: %d pongs, exit code %d", len(p.all(is(pong))), code)
}

func TestSippConnectionEach(t *testing.T) {
	l, p, code := sippCaller(t, "tn", func(*flow) {})
	opens, ends := p.all(is(opened)), p.all(is(ended))
	ports := make(map[uint16]bool)
	for _, i := range opens {
		ports[i.flow.remote.Port()] = true
	}
	second := p.all(of("INVITE"))[1]
	l.proves("S3", code == 0 && len(opens) == sippCalls && len(ends) == sippCalls && len(ports) == sippCalls && second.sentBy() == second.flow.remote.String(),
		"-t tn: %d connections, %d FIN, from %d ports, Via of %s: %s", len(opens), len(ends), len(ports), second.flow.remote, second.via())
}

func TestSippCallerLoneCRLF(t *testing.T) {
	l, p, code := sippCaller(t, "t1", func(f *flow) { f.send("\r\n") })
	l.proves("S5", code == 1 && len(p.all(of("CANCEL"))) == 1 && len(p.all(of("BYE"))) == sippCalls-1,
		"a lone CRLF before the 200: exit code %d, %d CANCEL, %d BYE", code, len(p.all(of("CANCEL"))), len(p.all(of("BYE"))))
}

func TestSippCallerClosed(t *testing.T) {
	l, p, code := sippCaller(t, "t1", func(f *flow) { f.conn.Close() })
	l.proves("S6", code != 0 && len(p.all(is(opened))) == 1, "we closed before the 200: exit code %d, %d connections", code, len(p.all(is(opened))))
}

func TestSippCallerReconnects(t *testing.T) {
	l, p, code := sippCaller(t, "t1", func(f *flow) { f.conn.Close() }, "-max_reconnect", "3", "-reconnect_sleep", "100")
	l.proves("S7", code != 0 && len(p.all(is(opened))) == 1, "the same with -max_reconnect 3: exit code %d, %d connections, %d BYE", code, len(p.all(is(opened))), len(p.all(of("BYE"))))
}

func TestSippCallerUDP(t *testing.T) {
	l, p, code := sippCaller(t, "u1", func(f *flow) { f.send("\r\n\r\n") })
	l.proves("S8", code == 0 && len(p.all(is(pong, ping, other))) == 0, "CRLFCRLF over UDP: exit code %d, no answer", code)
}

// sippAnswers says whether sipp answers a call after so many bytes came between.
func sippAnswers(t *testing.T, between string) (l *lab, p *peer, f *flow, answered bool) {
	l = newLab(t)
	p = l.newPeer(l.b, nil)
	l.sipp("t1", "uas")
	f = p.dial(netip.AddrPortFrom(l.a.addr, 5062))
	call := func() message {
		return request("INVITE", "sip:service@"+l.a.addr.String(), "tcp", f.local, "keep;", "Contact: <sip:probe@"+f.local.String()+";transport=tcp>")
	}
	p.ask(f, call())
	f.send(between)
	p.none(3*time.Second, 0, f.on(is(pong, ping)))
	f.send(string(call()))
	p.none(3*time.Second, 1000, is(sip))
	status := p.all(func(i item) bool { return i.status() == "200" })
	return l, p, f, len(status) == 2
}

func TestSippCalleePing(t *testing.T) {
	l, p, _, answered := sippAnswers(t, "\r\n\r\n")
	via := p.all(is(sip))[0].via()
	keep, echoed := has(via, "keep")
	l.proves("S11", echoed && keep == "", "called with keep: %s", via)
	l.proves("S9", answered, "called: no pong; the next call was answered: %v", answered)
}

func TestSippCalleeLoneCRLF(t *testing.T) {
	l, p, f, answered := sippAnswers(t, "\r\n")
	l.proves("S10", !answered && len(p.all(f.on(is(ended, aborted)))) == 0, "called: after a lone CRLF the next call was answered: %v; the connection stayed open", answered)
}
