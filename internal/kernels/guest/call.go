// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/viaduct-project/viaduct/internal/kernels"
)

// CRLF keep-alive of RFC 5626 section 3.5.1.
const (
	ping = "\r\n\r\n"
	pong = "\r\n"
)

// call plays the caller: INVITE, ACK, on a stream one keep-alive, and BYE.
func call(c io.ReadWriter, k kernels.Call) error {
	r := bufio.NewReader(c)
	if err := ask(c, r, request("INVITE", 1, k)); err != nil {
		return err
	}
	// RFC 3261 section 13.2.2.4: an ACK has the number of its INVITE.
	if _, err := io.WriteString(c, request("ACK", 1, k)); err != nil {
		return err
	}
	if k.Network != "udp" {
		if _, err := io.WriteString(c, ping); err != nil {
			return err
		}
		if got, err := r.ReadString('\n'); got != pong {
			return fmt.Errorf("answer to the keep-alive: %q, %w", got, err)
		}
	}
	return ask(c, r, request("BYE", 2, k))
}

// ask sends a request and waits for its 200.
func ask(w io.Writer, r *bufio.Reader, request string) error {
	if _, err := io.WriteString(w, request); err != nil {
		return err
	}
	if got, err := message(r); !strings.HasPrefix(got, "SIP/2.0 200 ") {
		return fmt.Errorf("answer %q to %q, %w", got, request, err)
	}
	return nil
}

// answer plays the called side, until it has answered the BYE.
func answer(c io.ReadWriter) error {
	r := bufio.NewReader(c)
	for {
		m, err := message(r)
		if err != nil {
			return err
		}
		method, _, _ := strings.Cut(m, " ")
		switch method {
		case ping:
			_, err = io.WriteString(c, pong)
		case "INVITE", "BYE":
			_, err = io.WriteString(c, response(m))
		}
		if err != nil || method == "BYE" {
			return err
		}
	}
}

// message reads up to and with the first empty line; none here has a body.
func message(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String(), err
		}
	}
	return b.String(), nil
}

// The called side's tag is in its first answer and all that follows.
const (
	to       = "To: <sip:callee@example.com>"
	toTagged = to + ";tag=callee"
)

func request(method string, cseq int, k kernels.Call) string {
	called := toTagged
	if method == "INVITE" {
		called = to
	}
	return fmt.Sprintf("%[1]s sip:callee@example.com SIP/2.0\r\n"+
		"Via: SIP/2.0/%[3]s %[4]s;branch=z9hG4bK-%[1]s\r\n"+
		"Max-Forwards: 70\r\n"+
		"From: <sip:caller@example.com>;tag=caller\r\n"+
		"%[5]s\r\n"+
		"Call-ID: %[4]s\r\n"+
		"CSeq: %[2]d %[1]s\r\n"+
		"Contact: <sip:caller@%[4]s;transport=%[3]s>\r\n"+
		"Content-Length: 0\r\n\r\n",
		method, cseq, strings.ToUpper(k.Network), k.Caller, called)
}

// response answers a request with 200: what RFC 3261 section 8.2.6.2 has it
// copy, and the called side's tag.
func response(request string) string {
	var b strings.Builder
	b.WriteString("SIP/2.0 200 OK\r\n")
	for line := range strings.SplitSeq(request, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "To":
			b.WriteString(toTagged + "\r\n")
		case "Via", "From", "Call-ID", "CSeq":
			b.WriteString(line + "\r\n")
		}
	}
	b.WriteString("Contact: <sip:callee@example.com>\r\nContent-Length: 0\r\n\r\n")
	return b.String()
}
