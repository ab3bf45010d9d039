// SPDX-License-Identifier: Apache-2.0

package hep

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

const patience = 20 * time.Second

func newSender(t *testing.T, o Options) *Sender {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runs runs s until it is told to stop.
func runs(s *Sender) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	return func() { cancel(); <-done }
}

// TestTCP: packets come whole, one after the other, also what waited when the
// sender was told to end.
func TestTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	a := Agent{ID: 7, Node: "sip1"}
	s := newSender(t, Options{Network: "tcp", Address: listener.Addr().String(), Agent: a})
	var want []byte
	for n := range 100 {
		m := message(fmt.Sprintf("OPTIONS sip:%d SIP/2.0\r\nAuthorization: x\r\n\r\n", n))
		s.Send(m)
		m.Head = []byte(fmt.Sprintf("OPTIONS sip:%d SIP/2.0\r\nAuthorization: (hidden)\r\n\r\n", n))
		want, _ = a.Append(want, m)
	}
	stop := runs(s)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil {
		t.Fatal(err)
	}
	stop()
	got, err := io.ReadAll(conn)
	got = append(first, got...)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v, %d bytes, want %d", err, len(got), len(want))
	}
	for n := 0; len(got) > 0; n++ {
		if length := int(binary.BigEndian.Uint16(got[4:])); string(got[:4]) != "HEP3" || length > len(got) {
			t.Fatalf("packet %d: %q", n, got)
		} else {
			got = got[length:]
		}
	}
	if sent, dropped := s.Counts(); sent != 100 || dropped != 0 {
		t.Errorf("%d sent, %d dropped", sent, dropped)
	}
}

// TestCredentials: they are sent as they are if the operator says so.
func TestCredentials(t *testing.T) {
	listener, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := newSender(t, Options{Network: "udp", Address: listener.LocalAddr().String(), Credentials: true})
	s.Send(message("A\r\nAuthorization: x\r\n\r\nbody"))
	defer runs(s)()
	b := make([]byte, maxPacket)
	listener.SetReadDeadline(time.Now().Add(patience))
	n, _, err := listener.ReadFrom(b)
	if err != nil || !bytes.HasSuffix(b[:n], []byte("A\r\nAuthorization: x\r\n\r\n")) {
		t.Errorf("%v: %q", err, b[:n])
	}
}

// TestNobody: a collector that is not there costs what finds no room, is told
// once, and does not keep the sender from ending.
func TestNobody(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	told := make(chan string, 10)
	s := newSender(t, Options{Network: "tcp", Address: address, Log: slog.New(slog.NewTextHandler(writer(told), nil))})
	for range queued + 10 {
		s.Send(message("A\r\n\r\n"))
	}
	if _, dropped := s.Counts(); dropped != 10 {
		t.Errorf("%d dropped", dropped)
	}
	stop := runs(s)
	select {
	case line := <-told:
		if !strings.Contains(line, address) {
			t.Error(line)
		}
	case <-time.After(patience):
		t.Error("nobody is told")
	}
	stop()
	if sent, dropped := s.Counts(); sent != 0 || dropped != queued+10 {
		t.Errorf("%d sent, %d dropped", sent, dropped)
	}
}

type writer chan string

func (w writer) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}

func TestNew(t *testing.T) {
	if _, err := New(Options{Address: "collector"}); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Error(err)
	}
}

func BenchmarkSend(b *testing.B) {
	s := &Sender{queue: make(chan *Message, 1)}
	m := message("INVITE sip:a@example.com SIP/2.0\r\n" + strings.Repeat("Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKabc\r\n", 15) + "\r\n")
	for b.Loop() {
		s.Send(m)
		<-s.queue
	}
}
