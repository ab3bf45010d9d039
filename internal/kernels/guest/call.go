// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// A call is three requests one way and two responses the other, all without a
// body, and on a stream one keep-alive and its answer.
const (
	callRequests  = 3 // INVITE, ACK, BYE
	callResponses = 2
)

// CRLF keep-alive of RFC 5626 section 3.5.1.
const (
	ping = "\r\n\r\n"
	pong = "\r\n"
)

// call plays one SIP call between two sockets of this process on the loopback
// address host and closes them, the caller first. network is tcp or udp.
func call(ctx context.Context, network, host string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("call over %s to %s: %w", network, host, err)
		}
	}()
	addr := net.JoinHostPort(host, "5060")
	answered := make(chan error, 1)
	if network == "udp" {
		pc, err := new(net.ListenConfig).ListenPacket(ctx, network, addr)
		if err != nil {
			return err
		}
		defer pc.Close()
		go func() { answered <- answer(&datagrams{PacketConn: pc}) }()
	} else {
		l, err := new(net.ListenConfig).Listen(ctx, network, addr)
		if err != nil {
			return err
		}
		defer l.Close()
		go func() {
			c, err := l.Accept()
			if err != nil {
				answered <- err
				return
			}
			answered <- errors.Join(answer(c), c.Close())
		}()
	}
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return err
	}
	// A lost message must not hang the guest until its deadline without a word.
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if err := errors.Join(dial(c, network), c.Close()); err != nil {
		return err
	}
	select {
	case err := <-answered:
		if err != nil {
			return fmt.Errorf("answering side: %w", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dial is the caller.
func dial(c net.Conn, network string) error {
	r := bufio.NewReader(c)
	for cseq, method := range []string{"INVITE", "ACK", "BYE"} {
		if _, err := io.WriteString(c, request(method, cseq+1, network, c.LocalAddr())); err != nil {
			return err
		}
		if method == "ACK" {
			if network == "udp" {
				continue
			}
			if _, err := io.WriteString(c, ping); err != nil {
				return err
			}
			if got, err := r.ReadString('\n'); got != pong {
				return fmt.Errorf("answer to the keep-alive: %q, %w", got, err)
			}
			continue
		}
		if got, err := message(r); !strings.HasPrefix(got, "SIP/2.0 200 ") {
			return fmt.Errorf("answer to %s: %q, %w", method, got, err)
		}
	}
	return nil
}

// answer is the called side. It returns after the BYE, on a stream after the
// caller has closed.
func answer(c io.ReadWriter) error {
	r := bufio.NewReader(c)
	for {
		m, err := message(r)
		if err != nil {
			return err
		}
		method, _, _ := strings.Cut(m, " ")
		reply := ""
		switch method {
		case ping:
			reply = pong
		case "INVITE", "BYE":
			_, headers, _ := strings.Cut(m, "\r\n")
			reply = "SIP/2.0 200 OK\r\n" + headers
		}
		if _, err := io.WriteString(c, reply); err != nil {
			return err
		}
		if method == "BYE" {
			if _, isPacket := c.(*datagrams); isPacket {
				return nil
			}
			_, err := io.Copy(io.Discard, r)
			return err
		}
	}
}

// message reads up to and with the first empty line.
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

func request(method string, cseq int, network string, from net.Addr) string {
	if method == "ACK" { // RFC 3261 section 13.2.2.4: the number of its INVITE
		cseq--
	}
	return fmt.Sprintf("%[1]s sip:callee@example.com SIP/2.0\r\n"+
		"Via: SIP/2.0/%[3]s %[4]s;branch=z9hG4bK-%[1]s-%[3]s\r\n"+
		"Max-Forwards: 70\r\n"+
		"From: <sip:caller@example.com>;tag=caller\r\n"+
		"To: <sip:callee@example.com>;tag=callee\r\n"+
		"Call-ID: %[4]s\r\n"+
		"CSeq: %[2]d %[1]s\r\n"+
		"Contact: <sip:caller@%[4]s;transport=%[3]s>\r\n"+
		"Content-Length: 0\r\n\r\n",
		method, cseq, strings.ToUpper(network), from)
}

// datagrams reads and writes an unconnected UDP socket that has one peer.
type datagrams struct {
	net.PacketConn
	peer net.Addr
}

func (d *datagrams) Read(b []byte) (n int, err error) {
	n, d.peer, err = d.ReadFrom(b)
	return n, err
}

func (d *datagrams) Write(b []byte) (int, error) {
	if len(b) == 0 { // nothing to answer; an empty datagram would be a keep-alive
		return 0, nil
	}
	return d.WriteTo(b, d.peer)
}
