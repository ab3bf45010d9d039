// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"
)

// Keep-alives on a stream, RFC 5626 section 4.4.1.
const (
	crlf = "\r\n"
	ping = crlf + crlf
	pong = crlf
)

// conn is one actor's end of a connection.
type conn struct {
	*net.TCPConn
	actor *actor
	ends  Ends
	text  *textproto.Reader
}

func newConn(a *actor, raw *net.TCPConn) *conn {
	e := Ends{Server: local(raw.LocalAddr()), Peer: local(raw.RemoteAddr())}
	if a != a.play.server {
		e.Server, e.Peer = e.Peer, e.Server
	}
	a.play.own(raw)
	return &conn{TCPConn: raw, actor: a, ends: e, text: textproto.NewReader(bufio.NewReader(raw))}
}

func (c *conn) send(s string) error {
	_, err := io.WriteString(c, s)
	return err
}

// message is what came in: a request, a response, or, without a start line, a
// CRLF between messages. The actors know each other's messages, so that little
// is looked at.
type message struct {
	start  string
	header textproto.MIMEHeader
}

func (c *conn) receive() (*message, error) {
	start, err := c.text.ReadLine()
	if err != nil || start == "" {
		return &message{}, err
	}
	m := &message{start: start}
	if m.header, err = c.text.ReadMIMEHeader(); err != nil {
		return nil, fmt.Errorf("read the header of %q: %w", start, err)
	}
	n, err := strconv.ParseInt(m.header.Get("Content-Length"), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the Content-Length of %q: %w", start, err)
	}
	if _, err := io.CopyN(io.Discard, c.text.R, n); err != nil {
		return nil, fmt.Errorf("read the body of %q: %w", start, err)
	}
	return m, nil
}

func (m *message) method() string {
	method, _, _ := strings.Cut(m.start, " ")
	return method
}

// await receives what has to start with want.
func (c *conn) await(ctx context.Context, want string) (*message, error) {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Now()) })
	defer stop()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := c.receive()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("%q did not come within %v", want, patience)
	case err != nil:
		return nil, fmt.Errorf("wait for %q: %w", want, err)
	case !strings.HasPrefix(m.start, want), want == "" && m.start != "":
		return nil, fmt.Errorf("%q came, not %q", m.start, want)
	}
	return m, nil
}

// transact sends a request and waits for its 200.
func (c *conn) transact(ctx context.Context, r request) error {
	if err := c.send(r.String()); err != nil {
		return err
	}
	_, err := c.await(ctx, "SIP/2.0 200 ")
	return err
}

// ping sends a keep-alive and waits for the answer.
func (c *conn) ping(ctx context.Context) error {
	if err := c.send(ping); err != nil {
		return err
	}
	_, err := c.await(ctx, "")
	return err
}
