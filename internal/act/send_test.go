// SPDX-License-Identifier: Apache-2.0

package act

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

const patience = 20 * time.Second

// probed are hands whose doings the probes watch, on one SIP port.
type probed struct {
	*Hands
	t      *testing.T
	probes *bpf.Probes

	mu     sync.Mutex
	events []event.Event
}

func newProbed(t *testing.T, ports ...uint16) *probed {
	t.Helper()
	testutil.RequireRoot(t)
	probes, err := bpf.Load(bpf.Options{Ports: ports, TLSPorts: []uint16{}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(probes)
	if err != nil {
		t.Fatal(err)
	}
	p := &probed{Hands: h, t: t, probes: probes}
	var reading sync.WaitGroup
	done := make(chan struct{})
	reading.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := probes.Read(10*time.Millisecond, p.keep); err != nil {
				t.Error(err)
				return
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		reading.Wait()
		h.Release()
		if err := probes.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *probed) keep(e *event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	copied := *e
	copied.Payload = bytes.Clone(e.Payload)
	p.events = append(p.events, copied)
}

// data waits until n bytes of a socket have gone by in a direction, and returns
// them with which of them were viaduct's own.
func (p *probed) data(socket uint64, direction event.Direction, n int) (payload []byte, own string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		payload, own = nil, ""
		p.mu.Lock()
		for _, e := range p.events {
			if e.Kind != event.Data || e.Socket != socket || e.Direction != direction {
				continue
			}
			payload = append(payload, e.Payload...)
			for range e.Payload {
				if e.Own {
					own += "o"
				} else {
					own += "-"
				}
			}
		}
		p.mu.Unlock()
		if len(payload) >= n {
			return payload, own
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%d of %d bytes were seen: %q", len(payload), n, payload)
		}
	}
}

// next is the sequence number of the next byte that a socket sends, once the said
// bytes before it have been seen.
func (p *probed) next(socket uint64, said int) uint32 {
	p.t.Helper()
	p.data(socket, event.Out, said)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		var next uint32
		known := false
		p.mu.Lock()
		for _, e := range p.events {
			if e.Socket != socket {
				continue
			}
			switch {
			case e.Kind == event.Opened:
				next, known = e.NextOut, true
			case e.Kind == event.Data && e.Direction == event.Out:
				next, known = e.Seq+uint32(e.Length), true
			}
		}
		p.mu.Unlock()
		if known {
			return next
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("socket %d was not seen to open", socket)
		}
	}
}

// sipConnection is one whose listening port is taken for SIP's.
func sipConnection(t *testing.T) (p *probed, peer, held *net.TCPConn, target Target) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p = newProbed(t, netip.MustParseAddrPort(listener.Addr().String()).Port())
	dialed, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	peer, held = accepted.(*net.TCPConn), dialed.(*net.TCPConn)
	if target, err = targetOf(held); err != nil {
		t.Fatal(err)
	}
	return p, peer, held, target
}

// pings until it is done: the acknowledgement of what was sent before may be late.
func (p *probed) ping(t Target, at uint32) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		out := p.Ping(t, at, fine)
		if out.Result == Done {
			return
		}
		if out.Reason != Busy || time.Now().After(deadline) {
			p.t.Fatalf("ping: %v", out)
		}
	}
}

func read(t *testing.T, c io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q and %v, want %q", got, err, want)
	}
}

// TestPing: where the next byte is the one that is meant, and nowhere else; what is
// written is known as viaduct's own, the program's bytes are not.
func TestPing(t *testing.T) {
	p, peer, held, target := sipConnection(t)
	const first, second = "OPTIONS sip:a@example.com SIP/2.0\r\n", "To: <sip:a@example.com>\r\n\r\n"
	for _, part := range []string{first, second} {
		if _, err := held.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		read(t, peer, part)
	}
	at := p.next(target.Socket, len(first+second))
	for _, wrong := range []uint32{at - uint32(len(second)), at - 1, at + 1, at + 4} {
		if out := p.Ping(target, wrong, fine); out.Reason != Busy {
			t.Errorf("%d bytes beside the boundary: %v, want busy", int32(wrong-at), out)
		}
	}
	refusal := errors.New("not any more")
	if out := p.Ping(target, at, func() error { return refusal }); out.Reason != Busy || !errors.Is(out.Err, refusal) {
		t.Errorf("with an objection: %v", out)
	}
	p.ping(target, at)
	p.ping(target, at+4)
	if _, err := held.Write([]byte(first)); err != nil {
		t.Fatal(err)
	}
	want := "\r\n\r\n\r\n\r\n" + first
	read(t, peer, want)
	payload, own := p.data(target.Socket, event.Out, len(first+second+want))
	if string(payload) != first+second+want || own != mask(first+second, "-")+"oooooooo"+mask(first, "-") {
		t.Errorf("%q is own in %q", payload, own)
	}
	if n := p.sends.lanes[0].writer.Started(); n != 1 {
		t.Logf("the writing process was started %d times", n)
	}
}

func mask(s, with string) string { return string(bytes.Repeat([]byte(with), len(s))) }

// TestPingHeldBack: own bytes that wait for room leave in one segment with the
// program's, and are told apart.
func TestPingHeldBack(t *testing.T) {
	p, peer, held, target := sipConnection(t)
	raw, err := held.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cork := func(on int) {
		var err error
		raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, on) })
		if err != nil {
			t.Fatal(err)
		}
	}
	const message = "OPTIONS sip:a@example.com SIP/2.0\r\nTo: <sip:a@example.com>\r\n\r\n"
	at := p.next(target.Socket, 0)
	cork(1)
	p.ping(target, at)
	if out := p.Ping(target, at+4, fine); out.Reason != Busy {
		t.Errorf("while the first waits: %v, want busy", out)
	}
	if _, err := held.Write([]byte(message)); err != nil {
		t.Fatal(err)
	}
	cork(0)
	read(t, peer, "\r\n\r\n"+message)
	if _, own := p.data(target.Socket, event.Out, 4+len(message)); own != "oooo"+mask(message, "-") {
		t.Errorf("own: %q", own)
	}
}

// TestPingChanged: what is no connection any more gets no ping.
func TestPingChanged(t *testing.T) {
	p, peer, held, target := sipConnection(t)
	at := p.next(target.Socket, 0)
	peer.CloseWrite()
	if _, err := held.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if out := p.Ping(target, at, fine); out.Reason != Changed {
		t.Errorf("half-closed: %v, want changed", out)
	}
	held.Close()
	until(t, func() bool { return p.Ping(target, at, fine).Reason == Gone })
	if out := p.Ping(Target{Socket: 1 << 60, Local: target.Local, Remote: target.Remote}, at, fine); out.Reason != Gone && out.Reason != Busy {
		t.Errorf("no such socket: %v", out)
	}
}

func until(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to that")
		}
	}
}
