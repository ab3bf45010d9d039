// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/live"
)

// Overload: more than a ring of 64 KiB holds, sent without a pause.
const (
	smallRing   = 64 << 10
	lossRounds  = 3000 // messages
	lossTrailer = 20   // messages once the reader has caught up
)

// lossCases are the two directions, each with a reader that is held back until
// all is sent and with one that runs, and does not keep up.
func lossCases(t *testing.T, test func(t *testing.T, d event.Direction, held bool)) {
	for _, d := range []event.Direction{event.Out, event.In} {
		for _, held := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s-%s", map[event.Direction]string{event.In: "in", event.Out: "out"}[d],
				map[bool]string{true: "held", false: "running"}[held]), func(t *testing.T) { test(t, d, held) })
		}
	}
}

// TestLossOfDatagrams: what was seen and what was counted as lost add up to
// what went through, to the datagram and to the byte.
func TestLossOfDatagrams(t *testing.T) {
	lossCases(t, func(t *testing.T, d event.Direction, held bool) {
		l := newLink(t)
		cgroup, within := ownCgroup(t)
		sender, receiver := udpPair(t, l, d, within)
		w := openWatch(t, live.Options{Probes: bpf.Options{RingBytes: smallRing, Cgroup: cgroup}}, l.owns)
		if !held {
			w.run()
		}
		// Sends n, and returns how many arrived and their bytes.
		arrived := make(chan [2]uint64, 1)
		go func() { arrived <- drain(receiver) }()
		var sent [2]uint64
		send := func(n int) {
			for range n {
				m := request("OPTIONS", "UDP", sender.LocalAddr())
				write(t, sender, m)
				sent[0], sent[1] = sent[0]+1, sent[1]+uint64(len(m))
			}
		}
		w.overload(func() { send(lossRounds) })
		if held {
			w.run()
		}
		lost := w.lossStands()
		send(lossTrailer)
		write(t, sender, []byte("end"))
		got := <-arrived
		want, local, remote := sent, addrOf(sender.LocalAddr()), addrOf(receiver.LocalAddr())
		if d == event.In {
			want, local, remote = got, remote, local
		}
		w.finally(func(r *report.Report) string {
			c := one(r, "udp", local, remote)
			if c == nil {
				return "not one flow"
			}
			seen := [2]uint64{uint64(c.Messages.RequestsSent + c.Messages.RequestsReceived), c.BytesSent + c.BytesReceived - uint64(len("end"))}
			lost = w.counters()
			switch {
			case seen[0]+lost.RingFullData != want[0], seen[1]+lost.LostBytes != want[1]:
				return fmt.Sprintf("%d messages of %d bytes seen and %d of %d lost, of %d of %d", seen[0], seen[1], lost.RingFullData, lost.LostBytes, want[0], want[1])
			case !c.Incomplete:
				return "not marked incomplete"
			case c.Messages.Malformed != 0 || c.Messages.Retransmissions != 0:
				return "messages: " + text(c.Messages)
			}
			return ""
		})
		if lost.RingFullData == 0 || want[0] < lossRounds {
			t.Errorf("%d lost of %d: no overload", lost.RingFullData, want[0])
		}
		if lost := w.last.Lost; lost.RingFull < w.counters().RingFullData {
			t.Errorf("the report says %d lost", lost.RingFull)
		}
	})
}

// udpPair returns two connected sockets, of which the one that d is seen from
// is in the cgroup that is watched.
func udpPair(t *testing.T, l *link, d event.Direction, within func(func())) (sender, receiver *net.UDPConn) {
	t.Helper()
	a, b := at(l.a.v4, 5060), at(l.b.v4, 5060)
	open := func(n *namespace, local, remote netip.AddrPort) *net.UDPConn {
		var c *net.UDPConn
		n.do(t, func() {
			var err error
			if c, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(local), net.UDPAddrFromAddrPort(remote)); err != nil {
				t.Fatal(err)
			}
		})
		t.Cleanup(func() { c.Close() })
		return c
	}
	enter := func(watched bool, f func()) {
		if watched {
			within(f)
		} else {
			f()
		}
	}
	enter(d == event.In, func() { receiver = open(l.b, b, a) })
	enter(d == event.Out, func() { sender = open(l.a, a, b) })
	control(t, receiver, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20) })
	return sender, receiver
}

// drain counts datagrams and their bytes until one says that it is the last.
func drain(c *net.UDPConn) (got [2]uint64) {
	c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2048)
	for {
		n, err := c.Read(b)
		if err != nil || string(b[:n]) == "end" {
			return got
		}
		got[0], got[1] = got[0]+1, got[1]+uint64(n)
	}
}

func (w *watch) counters() bpf.Counters {
	w.t.Helper()
	c, err := w.Probes().Counters()
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// overload sends until something is lost: a reader that is quick, on a machine
// that is, keeps up for long.
func (w *watch) overload(send func()) {
	w.t.Helper()
	until(w.t, func() string {
		send()
		if w.counters().RingFullData == 0 {
			return "nothing is lost"
		}
		return ""
	})
}

// lossStands waits until the reader has caught up: the ring is empty, and what
// the core has taken has not changed since the look before.
func (w *watch) lossStands() bpf.Counters {
	w.t.Helper()
	before := ^uint64(0)
	until(w.t, func() string {
		waiting, taken := w.Probes().Waiting(), w.Metrics().Events[event.Data]
		if caughtUp := waiting == 0 && taken == before; !caughtUp {
			before = taken
			return fmt.Sprintf("%d bytes wait, %d segments taken", waiting, taken)
		}
		return ""
	})
	return w.counters()
}

// TestLossOfStream: what the core misses in a stream is what the kernel side says
// it could not deliver, it finds into the stream again, and the messages it
// reads are all that fit into the rest: a gap takes the two that it cuts into.
// The kernel side may count a byte twice, where TCP had no room for the segment
// either and it came again; the core knows each byte's place.
func TestLossOfStream(t *testing.T) {
	lossCases(t, func(t *testing.T, d event.Direction, held bool) {
		l := newLink(t)
		cgroup, within := ownCgroup(t)
		w := openWatch(t, live.Options{Probes: bpf.Options{RingBytes: smallRing, Cgroup: cgroup}}, l.owns)
		sender, receiver := tcpPair(t, l, d, within)
		if !held {
			w.run()
		}
		var received sync.WaitGroup
		received.Go(func() { io.Copy(io.Discard, receiver) })
		var batch bytes.Buffer
		total := 0
		send := func(n int) {
			for range n / 10 {
				batch.Reset()
				for range 10 {
					batch.Write(request("OPTIONS", "TCP", sender.LocalAddr()))
				}
				write(t, sender, batch.Bytes())
				total += batch.Len()
			}
		}
		w.overload(func() { send(lossRounds) })
		if held {
			w.run()
		}
		w.lossStands()
		send(lossTrailer)
		sender.Close()
		received.Wait()
		receiver.Close()
		local, remote := addrOf(sender.LocalAddr()), addrOf(receiver.LocalAddr())
		if d == event.In {
			local, remote = remote, local
		}
		size := len(request("OPTIONS", "TCP", sender.LocalAddr()))
		w.finally(func(r *report.Report) string {
			c := one(r, "tcp", local, remote)
			if c == nil || c.Closed == nil {
				return "not one connection, closed"
			}
			messages, lost := int(c.Messages.RequestsSent+c.Messages.RequestsReceived), w.counters()
			whole, cut := (total-int(c.LostBytes))/size, 2*int(r.Lost.SequenceGaps)
			switch {
			case c.BytesSent+c.BytesReceived != uint64(total):
				return fmt.Sprintf("%d bytes in all, want %d", c.BytesSent+c.BytesReceived, total)
			case c.LostBytes > lost.LostBytes || c.LostBytes == 0 || lost.RingFullData == 0:
				return fmt.Sprintf("%d bytes lost, the kernel side says %d in %d records", c.LostBytes, lost.LostBytes, lost.RingFullData)
			case !c.Incomplete:
				return "not marked incomplete"
			case messages < lossTrailer-1 || messages > whole || messages < whole-cut:
				return fmt.Sprintf("%d messages, of %d whole ones with %d gaps", messages, whole, r.Lost.SequenceGaps)
			}
			return ""
		})
	})
}

// tcpPair returns a connection whose end that d is seen from is in the cgroup
// that is watched.
func tcpPair(t *testing.T, l *link, d event.Direction, within func(func())) (sender, receiver *net.TCPConn) {
	t.Helper()
	enter := func(watched bool, f func()) {
		if watched {
			within(f)
		} else {
			f()
		}
	}
	var listener *net.TCPListener
	enter(d == event.In, func() { listener = l.b.listen(t, at(l.b.v4, 5060)) })
	enter(d == event.Out, func() { sender = l.a.dial(t, netip.AddrPort{}, at(l.b.v4, 5060)) })
	return sender, accept(t, listener)
}
