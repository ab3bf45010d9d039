// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
)

// TestDataOnHandshake: where a listener defers accepting, the bare last ACK is
// dropped and the first data completes the handshake, so that they reach the
// kernel with the listener's socket and not the connection's.
func TestDataOnHandshake(t *testing.T) {
	for _, port := range []uint16{5060, contentPort} {
		for _, ipv6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d-%s", port, family(ipv6)), func(t *testing.T) { testDataOnHandshake(t, port, ipv6) })
		}
	}
}

func testDataOnHandshake(t *testing.T, port uint16, ipv6 bool) {
	l := newLink(t)
	w := startWatch(t, l, live.Options{})
	server := at(l.b.addr(ipv6), port)
	listener := l.b.listen(t, server)
	control(t, listener, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 5) })
	client := &reader{conn: l.a.dial(t, netip.AddrPort{}, server)}
	// Connected for the client, but no connection on this side: that nothing
	// can be accepted proves that the bare ACK did not complete the handshake.
	listener.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if c, err := listener.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("accepted %v, %v before any data", c, err)
	}
	write(t, client.conn, request("OPTIONS", "TCP", client.conn.LocalAddr()))
	served := &reader{conn: accept(t, listener)}
	served.must(t, 1)
	answer(t, served, client)
	ask(t, client, served)
	answer(t, served, client)
	client.conn.Close()
	served.eof(t)
	served.conn.Close()
	w.pair(client, served, facts{RequestsOut: 2, ResponsesIn: 2, By: "local", How: "fin", Closed: true})
}

// pair wants the one connection between client and server to be reported by
// both ends as want, which needs to say only what is special to it.
func (w *watch) pair(client, server *reader, want facts) {
	w.t.Helper()
	want.Transport, want.Process, want.Initiator = "tcp", own(), "local"
	want.HandshakeMeasured, want.OpenedKnown, want.Class = true, true, "unidirectional-ephemeral"
	want.BytesOut, want.BytesIn = uint64(server.bytes), uint64(client.bytes)
	near, far := addrOf(client.conn.LocalAddr()), addrOf(client.conn.RemoteAddr())
	w.finally(func(r *report.Report) string {
		if len(r.Connections) != 2 {
			return fmt.Sprintf("%d connections, want the two ends of one", len(r.Connections))
		}
		return all(each(r, 1, "tcp", near, far, want), each(r, 1, "tcp", far, near, want.mirrored(own())))
	})
}

// TestMultipath: Go's listeners accept MPTCP. The TCP connection is a subflow
// of a socket that is in no table of TCP's.
func TestMultipath(t *testing.T) {
	for _, multipath := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain client", true: "multipath client"}[multipath], func(t *testing.T) {
			l := newLink(t)
			w := startWatch(t, l, live.Options{})
			server := at(l.b.v4, 5060)
			var listener net.Listener
			l.b.do(t, func() {
				var config net.ListenConfig
				config.SetMultipathTCP(true)
				var err error
				if listener, err = config.Listen(context.Background(), "tcp", server.String()); err != nil {
					t.Fatal(err)
				}
			})
			t.Cleanup(func() { listener.Close() })
			var client *reader
			l.a.do(t, func() {
				var d net.Dialer
				d.SetMultipathTCP(multipath)
				c, err := d.Dial("tcp", server.String())
				if err != nil {
					t.Fatal(err)
				}
				client = &reader{conn: c}
			})
			t.Cleanup(func() { client.conn.Close() })
			served := &reader{conn: accept(t, listener.(*net.TCPListener))}
			if is, err := served.conn.(*net.TCPConn).MultipathTCP(); err != nil || is != multipath {
				t.Fatalf("multipath is %v, %v", is, err)
			}
			for range 3 {
				ask(t, client, served)
				answer(t, served, client)
			}
			client.conn.Close()
			served.eof(t)
			served.conn.Close()
			w.pair(client, served, facts{RequestsOut: 3, ResponsesIn: 3, By: "local", How: "fin", Closed: true})
		})
	}
}
