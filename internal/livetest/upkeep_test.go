// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v2"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
)

// keepAgreed is a policy that has keep-alives sent where they were agreed.
func keepAgreed(k policy.Keepalive) *policy.Policy {
	k.Inject = policy.InjectAgreed
	p := &policy.Policy{Fallback: policy.Peer{
		Name: policy.Other, Enforce: policy.Enforce, Keepalive: k, Persistent: policy.Persistent{MaxConnections: -1},
	}}
	p.Compile()
	return p
}

// agreeKeep has the client register with keep, and the server take it every two
// seconds. Neither side sends anything after that.
func agreeKeep(t *testing.T, transport string, client net.Conn, serve func()) {
	t.Helper()
	ask := request("REGISTER", transport, client.LocalAddr())
	ask = bytes.Replace(ask, []byte(";branch="), []byte(";keep;branch="), 1)
	ask = bytes.Replace(ask, []byte("Content-Length"), []byte("Expires: 600\r\nContent-Length"), 1)
	write(t, client, ask)
	serve()
	client.SetReadDeadline(time.Now().Add(patience))
	if _, err := client.Read(make([]byte, 2000)); err != nil {
		t.Fatalf("read the answer: %v", err)
	}
}

// takes is the reply to a REGISTER with keep, which takes it.
func takes(register []byte) []byte {
	return bytes.Replace(reply(register, "200 OK"), []byte(";keep;"), []byte(";keep=2;"), 1)
}

// upkeepOf waits for what the report says of the keep-alives of a client.
func (w *watch) upkeepOf(local net.Addr, want func(*report.Connection) bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		for _, c := range w.report().Connections {
			if c.Local == local.String() && c.Upkeep != nil && want(&c) {
				return
			}
		}
		if time.Now().After(end) {
			w.t.Fatal("the report does not say so")
		}
	}
}

// TestUpkeepPings: a program promised keep-alives and sends none; its peer gets
// pings in time, and the program the pongs.
func TestUpkeepPings(t *testing.T) {
	l := newLink(t)
	server := at(l.b.v4, 5060)
	listener := l.b.listen(t, server)
	w := startWatch(t, l, live.Options{Core: agent.Config{Policy: keepAgreed(policy.Keepalive{})}})
	client := l.a.dial(t, netip.AddrPort{}, server)
	peer := accept(t, listener)
	r := &reader{conn: peer}
	agreeKeep(t, "TCP", client, func() {
		r.must(t, 1)
		write(t, peer, takes(r.latest))
	})
	const pings = 3
	last := time.Now()
	for i := range pings {
		peer.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 4)
		if _, err := io.ReadFull(peer, b); err != nil || string(b) != "\r\n\r\n" {
			t.Fatalf("ping %d: %q, %v", i+1, b, err)
		}
		if gap := time.Since(last); gap < 1500*time.Millisecond || gap > 4*time.Second { // none was left out
			t.Errorf("ping %d after %s, agreed were 2 s", i+1, gap)
		}
		last = time.Now()
		write(t, peer, []byte("\r\n"))
	}
	b := make([]byte, 2*pings)
	client.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(client, b); err != nil || string(b) != strings.Repeat("\r\n", pings) {
		t.Errorf("the program reads %q, %v", b, err)
	}
	w.upkeepOf(client.LocalAddr(), func(c *report.Connection) bool {
		u := c.Upkeep
		return u.By == "viaduct" && *u.Method == "crlf" && u.Answered != nil && *u.Answered == "yes" && c.Keepalives.Injected >= pings &&
			c.Keepalives.PingsSent == 0 && c.Keepalives.PongsReceived == 0
	})
	if m := w.Metrics(); m.Misplaced != 0 {
		t.Errorf("%d in the middle of a message", m.Misplaced)
	}
}

// TestUpkeepBinding: the same by STUN, of which the program sees nothing.
func TestUpkeepBinding(t *testing.T) {
	l := newLink(t)
	peer := l.b.datagrams(t, at(l.b.v4, 5060))
	w := startWatch(t, l, live.Options{Core: agent.Config{Policy: keepAgreed(policy.Keepalive{SwallowStunAnswers: true})}})
	client := l.a.datagram(t, at(l.b.v4, 5060))
	b := make([]byte, 2000)
	next := func() ([]byte, net.Addr) {
		t.Helper()
		peer.SetReadDeadline(time.Now().Add(patience))
		n, from, err := peer.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		return b[:n], from
	}
	agreeKeep(t, "UDP", client, func() {
		register, from := next()
		if _, err := peer.WriteTo(takes(register), from); err != nil {
			t.Fatal(err)
		}
	})
	const asked = 3
	for range asked {
		raw, from := next()
		m := &stun.Message{Raw: bytes.Clone(raw)}
		if err := m.Decode(); err != nil || m.Type != stun.BindingRequest {
			t.Fatalf("%x: %v", raw, err)
		}
		if from.String() != client.LocalAddr().String() {
			t.Fatalf("a request from %s, the program's socket is %s", from, client.LocalAddr())
		}
		source := from.(*net.UDPAddr)
		answer := stun.MustBuild(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: source.IP, Port: source.Port})
		if _, err := peer.WriteTo(answer.Raw, from); err != nil {
			t.Fatal(err)
		}
	}
	w.upkeepOf(client.LocalAddr(), func(c *report.Connection) bool {
		u := c.Upkeep
		return u.By == "viaduct" && *u.Method == "stun" && u.Answered != nil && *u.Answered == "yes" && c.Keepalives.Injected >= asked &&
			c.Keepalives.StunSent == 0 && u.MappedAddress != nil && *u.MappedAddress == client.LocalAddr().String()
	})
	client.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := client.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the program reads %x, %v", b[:n], err)
	}
}
