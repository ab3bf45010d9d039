// SPDX-License-Identifier: Apache-2.0

package act

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/event"
)

// TestOwners: a ping, and another one after the socket has come to other hands or
// its program was started again, also out of namespaces of the program's own. The
// program's own bytes are where they were.
func TestOwners(t *testing.T) {
	p := newProbed(t)
	const nobody = 65534
	as := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
	user := syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		UidMappings: as(nobody), GidMappings: as(nobody), Credential: &syscall.Credential{NoSetGroups: true},
	}
	for name, tt := range map[string]struct {
		attr  syscall.SysProcAttr
		order string // what changes who holds it
	}{
		"the child of a fork":                {order: "fork"},
		"by SCM_RIGHTS":                      {order: "pass"},
		"executed again":                     {order: "exec"},
		"pid and network namespace":          {attr: syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET}, order: "fork"},
		"nobody's user namespace":            {attr: user, order: "exec"},
		"handed over in a user namespace":    {attr: user, order: "pass"},
		"handed over in a network namespace": {attr: syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, order: "pass"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHolder(t, tt.attr)
			h.order("say")
			h.peerGets(option)
			at := p.next(h.target.Socket, len(option))
			p.ping(h.target, at)
			h.peerGets("\r\n\r\n")
			if said := h.order(tt.order); said != "ok" {
				t.Fatal(said)
			}
			p.ping(h.target, at+4)
			h.peerGets("\r\n\r\n")
			h.order("say")
			h.peerGets(option)
			n := 2*len(option) + 8
			_, own := p.data(h.target.Socket, event.Out, n)
			if want := mask(option, "-") + "oooooooo" + mask(option, "-"); own != want {
				t.Errorf("own: %q, want %q", own, want)
			}
			h.Process.Kill()
			h.Wait()
			until(t, func() bool { return p.Ping(h.target, at+8, fine).Reason == Gone })
		})
	}
}

// TestPingIPv6: as over IPv4.
func TestPingIPv6(t *testing.T) {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := newProbed(t, netip.MustParseAddrPort(listener.Addr().String()).Port())
	dialed, err := net.Dial("tcp6", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	target, err := targetOf(accepted.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	at := p.next(target.Socket, 0)
	p.ping(target, at)
	if _, err := accepted.Write([]byte(option)); err != nil {
		t.Fatal(err)
	}
	read(t, dialed, "\r\n\r\n"+option)
	if _, own := p.data(target.Socket, event.Out, 4+len(option)); own != "oooo"+mask(option, "-") {
		t.Errorf("own: %q", own)
	}
}

// TestSharedSocket: one socket of several workers, as after a prefork. The one
// that is known ends; another one has it still.
func TestSharedSocket(t *testing.T) {
	f := newFlow(t, "udp4", "127.0.0.1", "127.0.0.1")
	file, err := f.socket.File()
	if err != nil {
		t.Fatal(err)
	}
	var workers []*exec.Cmd
	for range 3 {
		w := newPart("heir")
		w.ExtraFiles = []*os.File{file}
		w.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		orders, err := w.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		ready, err := w.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { orders.Close(); w.Process.Kill(); w.Wait() })
		if _, err := ready.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		workers = append(workers, w)
	}
	file.Close()
	f.socket.Close()
	for _, w := range workers {
		f.target.PID = uint32(w.Process.Pid)
		id := f.askUntil(t, true)
		f.send(t, f.peer, answer(id))
		w.Process.Kill()
		w.Wait()
	}
	until(t, func() bool { _, b := request(); return f.p.Binding(f.target, b, true).Reason == Gone })
	if n := f.swallowed(t); n != uint64(len(workers)) {
		t.Errorf("%d answers were swallowed, want %d", n, len(workers))
	}
}

// askUntil is ask, again while it is too early to look who holds the socket.
func (f *flow) askUntil(t *testing.T, swallow bool) (id [12]byte) {
	t.Helper()
	id, b := request()
	until(t, func() bool {
		out := f.p.Binding(f.target, b, swallow)
		if out.Result != Done && out.Reason != Busy {
			t.Fatal(out)
		}
		return out.Result == Done
	})
	if got, from := receive(t, f.peer); string(got) != string(b) || from != f.target.Local {
		t.Fatalf("the peer got %q from %s", got, from)
	}
	return id
}

// TestWorkers: sockets with one port (SO_REUSEPORT). The request is that of the
// socket that is meant, and to the probes so is the answer, whichever of them the
// kernel gives it to; none of the programs sees it.
func TestWorkers(t *testing.T) {
	const n = 4
	reuse := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }), err)
	}}
	address := "127.0.0.1:0"
	var workers [n]*net.UDPConn
	for i := range workers {
		c, err := reuse.ListenPacket(context.Background(), "udp4", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		workers[i] = c.(*net.UDPConn)
		address = c.LocalAddr().String()
	}
	p := newProbed(t, addrPort(workers[0].LocalAddr()).Port())
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	type got struct {
		worker int
		b      string
	}
	arrived := make(chan got, 100)
	for i, w := range workers {
		go func() {
			for b := make([]byte, 2000); ; {
				n, err := w.Read(b)
				if err != nil {
					return
				}
				arrived <- got{i, string(b[:n])}
			}
		}()
	}
	f := &flow{p: p, peer: peer}
	var handed []int
	for i, w := range workers {
		f.socket = w
		f.target = Target{PID: uint32(os.Getpid()), Local: addrPort(w.LocalAddr()), Remote: addrPort(peer.LocalAddr())}
		if f.target.Socket, err = cookieOf(w); err != nil {
			t.Fatal(err)
		}
		id := f.askUntil(t, true)
		hidden := answer(id)
		f.send(t, peer, hidden)
		other, _ := request()
		f.send(t, peer, answer(other))
		select {
		case a := <-arrived:
			if a.b != string(answer(other)) {
				t.Errorf("worker %d got %q, want somebody else's answer", a.worker, a.b)
			}
			handed = append(handed, a.worker)
		case <-time.After(patience):
			t.Fatalf("socket %d: somebody else's answer did not arrive", i)
		}
		if _, own := p.data(f.target.Socket, event.Out, stunHeader); own != mask(string(hidden[:stunHeader]), "o") {
			t.Errorf("socket %d sent: own is %q", i, own)
		}
		if payload, own := p.answers(f.target.Socket, len(hidden)); string(payload) != string(hidden) || own != mask(string(hidden), "o") {
			t.Errorf("socket %d received: %q, own %q, want %q", i, payload, own, hidden)
		}
	}
	elsewhere := 0
	for i, w := range handed {
		if i != w {
			elsewhere++
		}
	}
	if elsewhere < n-1 { // the peer has one address, so the kernel chooses one worker
		t.Errorf("answers were handed to %v: the test shows nothing", handed)
	}
	if len(arrived) != 0 {
		t.Errorf("more arrived: %v", <-arrived)
	}
}

// answers are the own datagrams that came in for a socket.
func (p *probed) answers(socket uint64, n int) (payload []byte, own string) {
	p.t.Helper()
	p.data(socket, event.In, n)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Kind == event.Data && e.Socket == socket && e.Direction == event.In && e.Own {
			payload = append(payload, e.Payload...)
			own += mask(string(e.Payload), "o")
		}
	}
	return payload, own
}

// TestBindingConnected: a connected socket has one peer, and is asked for that only.
func TestBindingConnected(t *testing.T) {
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		t.Run(loopback, func(t *testing.T) {
			f := newFlow(t, "udp", loopback, loopback)
			connectTo(t, f.socket, f.target.Remote)
			before := f.swallowed(t)
			id := f.askUntil(t, true)
			f.send(t, f.peer, answer(id))
			other, _ := request()
			f.send(t, f.peer, answer(other))
			f.gets(t, answer(other))
			if n := f.swallowed(t) - before; n != 1 {
				t.Errorf("%d answers were swallowed", n)
			}
			elsewhere := f.target
			elsewhere.Remote = netip.AddrPortFrom(elsewhere.Remote.Addr(), elsewhere.Remote.Port()^1)
			if out := f.p.Binding(elsewhere, message(1, other, nil), true); out.Reason != NotOurs {
				t.Errorf("to another peer: %v", out)
			}
		})
	}
}

// connectTo connects a socket that was bound only.
func connectTo(t *testing.T, c *net.UDPConn, to netip.AddrPort) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	if to.Addr().Is4() {
		sa = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	raw.Control(func(fd uintptr) { err = unix.Connect(int(fd), sa) })
	if err != nil {
		t.Fatal(err)
	}
}
