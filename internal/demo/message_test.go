// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bufio"
	"net/textproto"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/sipparse"
)

func TestMessagesAreWellFormed(t *testing.T) {
	t.Parallel()
	p := open(t)
	phone, trunk := p.actors[0], p.actors[4]
	requests := []request{
		{method: "REGISTER", from: phone, to: p.server, via: ";keep", headers: phone.outbound()},
		{method: "MESSAGE", from: phone, to: p.server, headers: []string{"Supported: outbound"}, body: text},
		{method: "OPTIONS", from: p.server, to: phone, headers: []string{"Accept: application/sdp"}},
		{method: "INVITE", from: trunk, to: p.server, headers: []string{"Contact: <" + trunk.uri() + ">"}, body: offer(trunk)},
	}
	for _, r := range requests {
		sent := r.String()
		wellFormed(t, sent)
		c := conn{text: textproto.NewReader(bufio.NewReader(strings.NewReader(sent)))}
		m, err := c.receive()
		if err != nil {
			t.Fatalf("%s: %v", r.method, err)
		}
		if rest, _ := c.text.R.Peek(1); len(rest) > 0 {
			t.Errorf("%s: bytes are left behind the body", r.method)
		}
		answer := r.to.answer(m)
		wellFormed(t, answer)
		if got, want := header(answer, "Via"), agreeKeep(header(sent, "Via")); got != want {
			t.Errorf("%s is answered with Via %q, want %q", r.method, got, want)
		}
		for _, same := range []string{"From", "Call-ID", "CSeq"} {
			if got, want := header(answer, same), header(sent, same); got != want {
				t.Errorf("%s is answered with %s %q, want %q", r.method, same, got, want)
			}
		}
		if to := header(answer, "To"); !strings.HasPrefix(to, header(sent, "To")+";tag=") {
			t.Errorf("%s is answered with To %q, without a tag of its own", r.method, to)
		}
	}
	if a, b := requests[1].String(), requests[1].String(); header(a, "Via") == header(b, "Via") || header(a, "Call-ID") == header(b, "Call-ID") {
		t.Error("two transactions have one branch, or two calls one Call-ID")
	}
}

func wellFormed(t *testing.T, msg string) {
	t.Helper()
	defects, err := sipparse.Check([]byte(msg))
	if err != nil {
		t.Errorf("%v in:\n%s", err, msg)
	}
	for i := range defects.Places() {
		t.Errorf("%v at offset %d of:\n%s", defects.At(i).Code, defects.At(i).Offset, msg)
	}
	if !strings.Contains(header(msg, "Via"), ";branch=z9hG4bK") {
		t.Errorf("no branch of RFC 3261 in:\n%s", msg)
	}
}

func header(msg, name string) string {
	_, rest, _ := strings.Cut(msg, crlf+name+": ")
	value, _, _ := strings.Cut(rest, crlf)
	return value
}

// RFC 6223 section 4.4: only a bare keep may be given a value.
func TestAgreeKeep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ via, want string }{
		{"SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKa;keep", "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKa;keep=2"},
		{"SIP/2.0/TCP 192.0.2.1;keep;branch=z9hG4bKa", "SIP/2.0/TCP 192.0.2.1;keep=2;branch=z9hG4bKa"},
		{"SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa;keep=30", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa;keep=30"},
		{"SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa;keeper", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa;keeper"},
		{"SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa"},
	} {
		if got := agreeKeep(c.via); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.via, got, c.want)
		}
	}
}

// A script that went on over a wrong answer would promise what was not played.
func TestAwaitRefuses(t *testing.T) {
	t.Parallel()
	p := open(t)
	asker, peer := p.server, p.actors[0]
	for _, c := range []struct{ want, comes string }{
		{"SIP/2.0 200 ", pong},
		{"SIP/2.0 200 ", "SIP/2.0 500 Server Internal Error\r\nContent-Length: 0\r\n\r\n"},
		{"SIP/2.0 200 ", ""},
		{"", "OPTIONS sip:example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"},
	} {
		asks, err := asker.dial(t.Context(), peer)
		if err != nil {
			t.Fatal(err)
		}
		answers, err := peer.accept(asks)
		if err != nil {
			t.Fatal(err)
		}
		if err := answers.send(c.comes); err != nil {
			t.Fatal(err)
		}
		if err := answers.close(); err != nil {
			t.Fatal(err)
		}
		if _, err := asks.await(t.Context(), c.want); err == nil {
			t.Errorf("%q passes for %q", c.comes, c.want)
		}
	}
}
