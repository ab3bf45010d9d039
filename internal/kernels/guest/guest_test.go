// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/kernels"
)

// The script of a call, as both sides write it on a stream.
func TestCallScript(t *testing.T) {
	caller, called := net.Pipe()
	heard := new(strings.Builder) // what the called side read
	answered := make(chan error, 1)
	go func() { answered <- answer(&tee{called, heard}) }()
	if err := call(caller, kernels.Call{Network: "tcp", Caller: "192.0.2.1:5060"}); err != nil {
		t.Fatal(err)
	}
	if err := caller.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	var lines []string
	for r := bufio.NewReader(strings.NewReader(heard.String())); ; {
		m, err := message(r)
		if err != nil {
			break
		}
		to := m
		if _, after, found := strings.Cut(m, "To:"); found {
			to, _, _ = strings.Cut(after, "\r\n")
		}
		first, _, _ := strings.Cut(m, " ")
		lines = append(lines, first+to)
	}
	want := []string{
		"INVITE <sip:callee@example.com>",
		"ACK <sip:callee@example.com>;tag=callee",
		ping + ping,
		"BYE <sip:callee@example.com>;tag=callee",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("the called side heard %q, want %q", lines, want)
	}
	if got := response("INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nMax-Forwards: 70\r\n" + to + "\r\nCSeq: 1 INVITE\r\n\r\n"); got !=
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h\r\n"+toTagged+"\r\nCSeq: 1 INVITE\r\nContact: <sip:callee@example.com>\r\nContent-Length: 0\r\n\r\n" {
		t.Errorf("response %q", got)
	}
}

// A call over real sockets: every byte counted, and the right end closed first.
func TestPair(t *testing.T) {
	for network, keepalive := range map[string]int{"tcp": len(ping), "tls": len(ping), "udp": 0} {
		p, err := open(t.Context(), network, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.talk(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := keepalive
		for _, m := range []string{"INVITE", "ACK", "BYE"} {
			want += len(request(m, 1, p.Call))
		}
		if err := p.close(); err != nil {
			t.Error(err)
		}
		// TLS adds to what is said.
		if p.FromCaller < want || p.FromCalled == 0 || (p.FromCaller == want) == (network == "tls") {
			t.Errorf("%s: %d bytes from the caller and %d from the called side, want %d and some", network, p.FromCaller, p.FromCalled, want)
		}
	}
}

func TestExecute(t *testing.T) {
	r, err := execute(t.Context(), []string{"sh", "-c", "echo out; echo err >&2; exit 3"})
	if err != nil || r.Exit != 3 || r.Stdout != "out\n" || r.Stderr != "err\n" {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := execute(t.Context(), []string{"/nonexistent"}); err == nil {
		t.Error("a command that is not there ran")
	}
	killed, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := execute(killed, []string{"sleep", "60"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that hung: error %v, want %v", err, context.DeadlineExceeded)
	}
	var parts []string
	for part := range split([]string{"check", "then", "viaduct", "doctor"}, "then") {
		parts = append(parts, strings.Join(part, " "))
	}
	if strings.Join(parts, "|") != "check|viaduct doctor" {
		t.Errorf("parts %q", parts)
	}
}

// tee keeps what is read from a connection.
type tee struct {
	net.Conn
	read *strings.Builder
}

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.read.Write(b[:n])
	return n, err
}
