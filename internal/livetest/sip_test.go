// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// own is how facts name the test itself.
func own() string { return fmt.Sprintf("livetest.test/%d", os.Getpid()) }

var serial atomic.Int64

// request is a request with a branch and a Call-ID of its own.
func request(method, transport string, from net.Addr) []byte {
	n := serial.Add(1)
	return fmt.Appendf(nil, "%s sip:probe@example.com SIP/2.0\r\n"+
		"Via: SIP/2.0/%s %s;branch=z9hG4bK%08d\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:a@example.org>;tag=%08d\r\nTo: <sip:probe@example.com>\r\n"+
		"Call-ID: %08d@example.org\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n", method, transport, from, n, n, n, method)
}

// reply answers a request with a final response without a body.
func reply(request []byte, status string) []byte {
	b := []byte("SIP/2.0 " + status + "\r\n")
	for line := range bytes.SplitSeq(request, []byte("\r\n")) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "Via", "From", "Call-ID", "CSeq", "Content-Length":
			b = append(append(b, line...), "\r\n"...)
		case "To":
			b = append(append(b, line...), ";tag=t1\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// reader takes what a peer sends apart, as bare as can be: the blank line ends
// a message, since none of those that the tests play has a body, and a CRLF
// where a message would begin is a keep-alive.
type reader struct {
	conn            net.Conn
	buffer          []byte
	messages, crlfs int
	bytes           int
	latest          []byte // message
	part            []byte // of a request that is being sent
}

// answered reads until so many messages and CRLFs have come in all.
func (r *reader) answered(t *testing.T, messages, crlfs int) {
	t.Helper()
	r.conn.SetReadDeadline(time.Now().Add(patience))
	for r.messages < messages || r.crlfs < crlfs {
		if !r.next() {
			if err := r.fill(); err != nil {
				t.Fatalf("read from %s: %v", r.conn.RemoteAddr(), err)
			}
		}
	}
}

// next takes one message or CRLF off the buffer.
func (r *reader) next() bool {
	if bytes.HasPrefix(r.buffer, []byte("\r\n")) {
		r.crlfs++
		r.buffer = r.buffer[2:]
		return true
	}
	head, _, found := bytes.Cut(r.buffer, []byte("\r\n\r\n"))
	if found {
		r.latest = bytes.Clone(r.buffer[:len(head)+4])
		r.buffer = r.buffer[len(r.latest):]
		r.messages++
	}
	return found
}

func (r *reader) fill() error {
	chunk := make([]byte, 16<<10)
	n, err := r.conn.Read(chunk)
	r.bytes += n
	r.buffer = append(r.buffer, chunk[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// message returns the next message, or what ended the stream before one came.
func (r *reader) message() ([]byte, error) {
	for before := r.messages; r.messages == before; {
		if !r.next() {
			if err := r.fill(); err != nil {
				return nil, err
			}
		}
	}
	return r.latest, nil
}

// must reads n messages.
func (r *reader) must(t *testing.T, n int) {
	t.Helper()
	r.conn.SetReadDeadline(time.Now().Add(patience))
	for range n {
		if _, err := r.message(); err != nil {
			t.Fatalf("read from %s: %v", r.conn.RemoteAddr(), err)
		}
	}
}

// eof reads until the peer has closed, and returns when that was.
func (r *reader) eof(t *testing.T) time.Time {
	t.Helper()
	r.conn.SetReadDeadline(time.Now().Add(patience))
	if m, err := r.message(); !errors.Is(err, io.EOF) {
		t.Fatalf("read from %s: %q and %v, want its end", r.conn.RemoteAddr(), m, err)
	}
	return time.Now()
}

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// dial connects from n, where local's port may be 0.
func (n *namespace) dial(t *testing.T, local, remote netip.AddrPort) *net.TCPConn {
	t.Helper()
	var c *net.TCPConn
	n.do(t, func() {
		var err error
		if c, err = net.DialTCP("tcp", net.TCPAddrFromAddrPort(local), net.TCPAddrFromAddrPort(remote)); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { c.Close() })
	return c
}

func addrOf(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// listen makes a plain TCP listener in n.
func (n *namespace) listen(t *testing.T, local netip.AddrPort) *net.TCPListener {
	t.Helper()
	var listener net.Listener
	n.do(t, func() {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		var err error
		if listener, err = config.Listen(context.Background(), "tcp", local.String()); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { listener.Close() })
	return listener.(*net.TCPListener)
}

func accept(t *testing.T, listener *net.TCPListener) *net.TCPConn {
	t.Helper()
	listener.SetDeadline(time.Now().Add(patience))
	c, err := listener.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// datagrams makes a UDP socket in n that is bound, and datagram one that is
// connected.
func (n *namespace) datagrams(t *testing.T, local netip.AddrPort) *net.UDPConn {
	t.Helper()
	return n.udp(t, func() (*net.UDPConn, error) { return net.ListenUDP("udp", net.UDPAddrFromAddrPort(local)) })
}

func (n *namespace) datagram(t *testing.T, remote netip.AddrPort) *net.UDPConn {
	t.Helper()
	return n.udp(t, func() (*net.UDPConn, error) { return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote)) })
}

func (n *namespace) udp(t *testing.T, open func() (*net.UDPConn, error)) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	n.do(t, func() {
		var err error
		if c, err = open(); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { c.Close() })
	return c
}
