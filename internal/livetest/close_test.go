// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/act"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestCloseGently: both read the end of the stream, and nobody an error.
func TestCloseGently(t *testing.T) {
	places(t, func(t *testing.T, n *namespace, listener *net.TCPListener) {
		h := newHands(t, nil)
		c := n.newClient(t, listener)
		c.lives()
		h.close(c.target, false, agree, act.Outcome{Result: act.Done, Means: act.Shutdown})
		c.sees("EOF")
		c.peerSees("EOF")
		h.close(c.target, false, agree, skips(act.Changed)) // not twice
	})
}

// TestCloseHard: the peer reads a reset, the program an error.
func TestCloseHard(t *testing.T) {
	places(t, func(t *testing.T, n *namespace, listener *net.TCPListener) {
		h := newHands(t, nil)
		c := n.newClient(t, listener)
		c.lives()
		h.close(c.target, true, agree, act.Outcome{Result: act.Done, Means: act.SockDestroy})
		c.sees("software caused connection abort")
		c.peerSees("connection reset by peer")
		h.close(c.target, true, agree, skips(act.Gone)) // not twice
	})
}

// TestCloseHardAfterGently: a peer that never answers the FIN, a program that never
// reads its end.
func TestCloseHardAfterGently(t *testing.T) {
	places(t, func(t *testing.T, n *namespace, listener *net.TCPListener) {
		h := newHands(t, nil)
		c := n.newClient(t, listener)
		h.close(c.target, false, agree, act.Outcome{Result: act.Done, Means: act.Shutdown})
		c.peerSees("EOF") // and does not close
		h.close(c.target, true, agree, act.Outcome{Result: act.Done, Means: act.SockDestroy})
		until(t, func() string {
			if _, err := c.peer.Write([]byte("x")); err == nil {
				return "the peer can still write"
			}
			return ""
		})
	})
}

// TestCloseBusy: a connection on which anything is under way stays.
func TestCloseBusy(t *testing.T) {
	places(t, func(t *testing.T, n *namespace, listener *net.TCPListener) {
		h := newHands(t, nil)
		for _, hard := range []bool{false, true} {
			t.Run(map[bool]string{false: "gently", true: "hard"}[hard], func(t *testing.T) {
				c := n.newClient(t, listener)
				objects := func() error { return errors.New("a transaction is pending") }
				if got := h.close(c.target, hard, objects, skips(act.Busy)); !strings.Contains(got.Err.Error(), "a transaction is pending") {
					t.Errorf("%v does not say why", got)
				}
				c.lives()
				h.close(c.target, hard, func() error { // answers, and at this moment comes a request
					write(t, c.peer, []byte("x"))
					c.order("read 1")
					return nil
				}, skips(act.Busy))
				h.close(c.target, hard, func() error { // or goes out, and all of it is taken
					c.order("write 1")
					_, err := c.peer.Read(make([]byte, 1))
					return err
				}, skips(act.Busy))
				c.lives()
				write(t, c.peer, []byte("x"))
				until(t, func() string { // it is there when it is unread
					if got := h.Close(c.target, hard, func() error { return errors.New("not yet") }); !strings.Contains(got.Err.Error(), "not read yet") {
						return got.String()
					}
					return ""
				})
				h.close(c.target, hard, agree, skips(act.Busy))
				c.order("read 1")
				c.lives()
			})
		}
	})
}

// TestCloseQueued: what the peer has not taken is not lost, unless by force.
func TestCloseQueued(t *testing.T) {
	places(t, func(t *testing.T, n *namespace, listener *net.TCPListener) {
		h := newHands(t, nil)
		c := n.newClient(t, listener)
		if said := c.order("flood 100000000"); said != "ok" {
			t.Fatal(said)
		}
		if got := h.close(c.target, false, agree, skips(act.Busy)); !strings.Contains(got.Err.Error(), "not sent") {
			t.Errorf("%v does not say why", got)
		}
		h.close(c.target, true, agree, act.Outcome{Result: act.Done, Means: act.SockDestroy})
	})
}

// TestCloseOthers: only the very socket that is meant, with the process that is meant.
func TestCloseOthers(t *testing.T) {
	places(t, func(t *testing.T, n *namespace, listener *net.TCPListener) {
		h := newHands(t, nil)
		c, other := n.newClient(t, listener), n.newClient(t, listener)
		for _, hard := range []bool{false, true} {
			unknown, mistaken, foreign := c.target, c.target, c.target
			unknown.Socket += 1 << 40
			mistaken.Socket, mistaken.PID = other.target.Socket, other.target.PID
			foreign.PID = other.target.PID
			h.close(unknown, hard, agree, skips(act.Gone))
			h.close(mistaken, hard, agree, skips(act.NotOurs))
			h.close(foreign, hard, agree, skips(act.Changed))
			c.lives()
			other.lives()
		}
		c.kill()
		h.close(c.target, false, agree, skips(act.Gone))
		h.close(c.target, true, agree, skips(act.Gone))
		anybody := other.target
		anybody.PID, anybody.NetNS = 0, 0
		h.close(anybody, false, agree, act.Outcome{Result: act.Done, Means: act.Shutdown})
	})
}

// TestClosePassed: a connection that was handed on is with another process.
func TestClosePassed(t *testing.T) {
	h := newHands(t, nil)
	listener := (*namespace)(nil).listen(t, netip.MustParseAddrPort("127.0.0.1:0"))
	peer := (*namespace)(nil).dial(t, netip.AddrPort{}, addrOf(listener.Addr()))
	accepted := accept(t, listener)
	cookie, err := option64(accepted, unix.SO_COOKIE)
	if err != nil {
		t.Fatal(err)
	}
	target := act.Target{Socket: cookie, PID: uint32(os.Getpid()), Local: addrOf(accepted.LocalAddr()), Remote: addrOf(accepted.RemoteAddr())}
	var now uint32
	if _, err := fmt.Sscanf(pass(t, accepted), "livetest.test/%d", &now); err != nil {
		t.Fatal(err)
	}
	until(t, func() string { // it may be on its way, with nobody
		if got := h.Close(target, false, agree); got.Reason != act.Changed {
			return got.String()
		}
		return ""
	})
	target.PID = now
	h.close(target, false, agree, act.Outcome{Result: act.Done, Means: act.Shutdown})
	peer.SetReadDeadline(time.Now().Add(patience))
	if got := readToEnd(peer); got != "EOF" {
		t.Errorf("the peer reads %q, want the end", got)
	}
}

// TestClosesAreOwn: an observer is told what was viaduct's doing, and the process
// stays the owner.
func TestClosesAreOwn(t *testing.T) {
	places(t, func(t *testing.T, n *namespace, listener *net.TCPListener) {
		port := addrOf(listener.Addr()).Port()
		probes, err := bpf.Load(bpf.Options{Ports: []uint16{port}, TLSPorts: []uint16{}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { probes.Close() })
		h := newHands(t, probes)
		gentle, hard, own := n.newClient(t, listener), n.newClient(t, listener), n.newClient(t, listener)
		h.close(gentle.target, false, agree, act.Outcome{Result: act.Done})
		gentle.peerSees("EOF")
		gentle.peer.Close()
		h.close(hard.target, true, agree, act.Outcome{Result: act.Done})
		// They close while duplicates of ours keep their connections open.
		first, last := n.newClient(t, listener), n.newClient(t, listener)
		by := func(lane int) func(uint64) error {
			return func(socket uint64) error { return probes.Writing(lane, socket) }
		}
		kept := []*client{own, first, last}
		holding(t, probes.Holding, own.target, func() {
			holding(t, by(0), first.target, func() {
				holding(t, by(act.Lanes-1), last.target, func() {
					for _, c := range kept {
						c.order("close")
					}
					if err := probes.Scan(func(*event.Event) {}); err != nil {
						t.Fatal(err)
					}
				})
			})
		})
		for _, c := range kept {
			c.peerSees("EOF")
			c.peer.Close()
		}
		type end struct {
			by      event.Side
			how     event.How
			byAgent bool
			owner   uint32
		}
		want := map[uint64]end{
			gentle.target.Socket: {event.Local, event.FIN, true, gentle.target.PID},
			hard.target.Socket:   {event.Local, event.RST, true, hard.target.PID},
		}
		for _, c := range kept {
			want[c.target.Socket] = end{event.Local, event.FIN, false, c.target.PID}
		}
		got := make(map[uint64]end)
		until(t, func() string {
			if _, err := probes.Read(10*time.Millisecond, func(e *event.Event) {
				if _, ours := want[e.Socket]; ours && e.Kind == event.Closed {
					got[e.Socket] = end{e.By, e.How, e.ByAgent, e.Owner.PID}
				}
			}); err != nil {
				t.Fatal(err)
			}
			if len(got) < len(want) {
				return fmt.Sprintf("%d of %d have ended", len(got), len(want))
			}
			return ""
		})
		for socket, w := range want {
			if got[socket] != w {
				t.Errorf("socket %d ended %+v, want %+v", socket, got[socket], w)
			}
		}
	})
}

// holding does something while this process has a duplicate of a socket.
func holding(t *testing.T, mark func(socket uint64) error, target act.Target, f func()) {
	t.Helper()
	pidfd, err := unix.PidfdOpen(int(target.PID), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if err := mark(target.Socket); err != nil {
		t.Fatal(err)
	}
	defer mark(0)
	for fd := range 64 {
		duplicate, err := unix.PidfdGetfd(pidfd, fd, 0)
		if err != nil {
			continue
		}
		if cookie, _ := unix.GetsockoptUint64(duplicate, unix.SOL_SOCKET, unix.SO_COOKIE); cookie == target.Socket {
			f()
			unix.Close(duplicate)
			return
		}
		unix.Close(duplicate)
	}
	t.Fatalf("process %d does not hold socket %d", target.PID, target.Socket)
}
