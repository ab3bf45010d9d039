// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"testing"
	"time"
)

// TestKamailio6Pongs: what newer ones make of CRLFs.
func TestKamailio6Pongs(t *testing.T) {
	for _, version := range []string{"kamailio6.0", "kamailio6.1"} {
		t.Run(version, func(t *testing.T) {
			l := newLab(t)
			l.release = elsewhere(t, version)
			server := l.kamailio("", "", "")
			p := l.newPeer(l.a, nil)
			asked := func() *flow {
				f, _ := p.asked(server, "")
				return f
			}
			after := func(f *flow, sent time.Time) float64 {
				end := p.await(patience, 1, "end", f.on(is(ended)))
				return end.at.Sub(sent).Seconds()
			}
			pinged, lone, twice, before, behind, idle, silent, only := asked(), asked(), asked(), asked(), asked(), asked(), p.dial(server), p.dial(server)
			took := p.pongTimes(pinged, 20)
			l.proves("N1", within(took, 0, 0), "pong after %s", milliseconds(took))
			sent := time.Now()
			lone.send("\r\n")
			twice.send("\r\n")
			before.send("\r\n" + string(request("OPTIONS", "sip:probe@example.com", "tcp", before.local, "")))
			behind.send("\r\n\r\n\r\n") // a ping, and one more
			only.send("\r\n\r\n")
			p.await(patience, 1, "CRLF", behind.on(is(pong)))
			p.await(patience, 2, "responses", before.on(is(sip)))
			l.proves("N2", true, "a lone CRLF and a request were answered by one response")
			p.none(2*time.Second, 0, twice.on(is(pong)))
			twice.send("\r\n")
			p.await(patience, 1, "CRLF", twice.on(is(pong)))
			l.proves("N3", true, "two lone CRLFs 2 s apart were answered by one CRLF")
			first := after(silent, sent)
			l.proves("N4", first > 15 && first < 26, "silent: FIN after %.1f s", first)
			first = after(only, sent)
			l.proves("N5", first > 15 && first < 26, "a ping and no SIP: FIN after %.1f s", first)
			first, second := after(lone, sent), after(behind, sent)
			l.proves("N6", first > 19 && first < 31 && second > 19 && second < 31, "a lone CRLF, then nothing: FIN after %.1f s; three: %.1f s", first, second)
			for _, f := range []*flow{pinged, twice, before, idle} {
				if len(p.all(f.on(is(ended, aborted)))) > 0 {
					t.Errorf("closed:%s", p.trace())
				}
			}
			l.proves("N7", true, "those that said no or two CRLFs are open")
		})
	}
}

func TestKamailio6TLS(t *testing.T) {
	l, p, first := kamailioTLS(t, elsewhere(t, "kamailio6.0"), "")
	l.until(patience, func() string {
		p.ask(first, request("OPTIONS", "sip:probe@example.com", "tls", first.local, ""))
		if c := l.far(first.remote); c == nil || c.TLS == nil || c.TLS.Plaintext != "seen" {
			return "viaduct does not see inside"
		}
		return ""
	})
	f := p.dialTLS(first.remote)
	for range 30 {
		p.ask(f, request("OPTIONS", "sip:probe@example.com", "tls", f.local, ""))
	}
	took := p.pongTimes(f, 20)
	l.proves("N8", within(took, 0, 0), "pong inside TLS after %s", milliseconds(took))
	sent := time.Now()
	f.send("\r\n")
	end := p.await(time.Minute, 1, "end", f.on(is(ended, aborted)))
	after := end.at.Sub(sent).Seconds()
	l.proves("N10", end.kind == ended, "a lone CRLF inside TLS, then nothing: %s after %.1f s", end.kind, after)
	f.conn.Close()
	l.until(patience, func() string {
		c := l.towards(f.local)
		if c == nil {
			return "viaduct does not know it"
		}
		if c.TLS == nil || c.TLS.Plaintext != "seen" || c.Messages.RequestsReceived != 30 || c.Messages.ResponsesSent != 30 || c.Messages.Malformed != 0 ||
			c.Keepalives.PingsReceived != 20 || c.Keepalives.PongsSent != 20 || c.Process == nil || c.Process.Name != "kamailio" || c.Close == nil || c.Close.By != "local" || *c.Close.IdleSeconds < 15 {
			return fmt.Sprintf("viaduct: %s %s %s %s", said(c.TLS), said(c.Messages), said(c.Keepalives), said(c.Close))
		}
		return ""
	})
	l.proves("N9", true, "30 requests, responses, and 20 pings and pongs inside were seen once each")
}
