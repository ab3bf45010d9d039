// SPDX-License-Identifier: Apache-2.0

package act

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/act/guard"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

var injections = flag.Int("injections", 20_000, "how many pings TestNeverMidMessage writes")

// talk is a connection on which a program writes messages in pieces, while pings
// are written between them. A message is its length, its check sum and bytes
// that look like pings.
type talk struct {
	program, peer *net.TCPConn
	target        Target
	base          uint32        // sequence number of the first byte
	boundary      atomic.Uint32 // bytes of the program's, up to the end of its latest message
	pings         uint32        // of the one who pings

	messages uint64        // that have arrived
	pinged   atomic.Uint32 // pings that have
	wrong    error
}

// write writes messages until it is told to stop, at random moments: sometimes
// without a pause, sometimes with one within a message.
func (c *talk) write(r *rand.Rand, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return c.program.CloseWrite()
		default:
		}
		body := make([]byte, 1+r.IntN(400))
		for i := range body {
			body[i] = "\r\n\r\n\r\nxy"[r.IntN(8)]
		}
		m := binary.BigEndian.AppendUint32([]byte("M"), uint32(len(body)))
		m = append(binary.BigEndian.AppendUint32(m, crc32.ChecksumIEEE(body)), body...)
		n := uint32(len(m))
		for len(m) > 0 {
			part := min(len(m), 1+r.IntN(150))
			if _, err := c.program.Write(m[:part]); err != nil {
				return err
			}
			m = m[part:]
			pause(r, 500)
		}
		c.boundary.Add(n)
		pause(r, 20_000)
	}
}

func pause(r *rand.Rand, longest int) {
	switch n := r.IntN(100); {
	case n < 50:
	case n < 70:
		for start, d := time.Now(), time.Duration(r.IntN(60))*time.Microsecond; time.Since(start) < d; {
		}
	default:
		// Time is what this test is about; nothing waits for this.
		time.Sleep(time.Duration(r.IntN(longest)) * time.Microsecond)
	}
}

// read wants nothing but whole messages, and pings between them.
func (c *talk) read() error {
	in := bufio.NewReader(c.peer)
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(in, head); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if bytes.Equal(head, ping) {
			c.pinged.Add(1)
			if _, err := c.peer.Write([]byte("\r\n")); err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
				return err
			}
			continue
		}
		rest := make([]byte, 5)
		if _, err := io.ReadFull(in, rest); err != nil {
			return err
		}
		head = append(head, rest...)
		length := binary.BigEndian.Uint32(head[1:])
		if head[0] != 'M' || length > 400 {
			return fmt.Errorf("message %d begins with %q", c.messages, head)
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(in, body); err != nil {
			return err
		}
		if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(head[5:]) {
			return fmt.Errorf("message %d is not as it was sent: %q", c.messages, body)
		}
		c.messages++
	}
}

// settle counts the pings that have arrived once nothing is under way.
func (c *talk) settle(t *testing.T) {
	t.Helper()
	raw, err := c.program.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		queued := -1
		raw.Control(func(fd uintptr) { queued, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		if queued != 0 {
			return false
		}
		raw, err := c.peer.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		unread := -1
		raw.Control(func(fd uintptr) { unread, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
		return unread == 0
	})
	time.Sleep(100 * time.Millisecond) // for what the peer's buffered reader has
	c.pings = c.pinged.Load()
}

func newTalk(t *testing.T, h *Hands) *talk {
	t.Helper()
	peer, held, target := connection(t)
	c := &talk{program: held, peer: peer, target: target}
	raw, err := held.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { c.base, err = nextSeq(int(fd)) })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// nextSeq asks the kernel, by the means for moving connections to other hosts,
// while nothing is being sent.
func nextSeq(fd int) (uint32, error) {
	const sendQueue, off = 2, -1 // TCP_SEND_QUEUE; off without a window probe
	set := func(option, value int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option, value) }
	if err := errors.Join(set(unix.TCP_REPAIR, 1), set(unix.TCP_REPAIR_QUEUE, sendQueue)); err != nil {
		return 0, err
	}
	next, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUEUE_SEQ)
	return uint32(next), errors.Join(err, set(unix.TCP_REPAIR, off))
}

// TestNeverMidMessage: while a program writes messages in pieces at random times, no
// ping ever lands in one of them. The peer verifies every byte. The pings, written
// side by side by all lanes, each on connections of its own, are for
// the end of the latest message that the program is known to have written, which
// it may have gone on from at any moment.
func TestNeverMidMessage(t *testing.T) {
	testutil.RequireRoot(t)
	h, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	var talks []*talk
	stop := make(chan struct{})
	var writing, reading sync.WaitGroup
	for i := range 64 {
		c := newTalk(t, h)
		talks = append(talks, c)
		writing.Go(func() {
			if err := c.write(rand.New(rand.NewPCG(1, uint64(i))), stop); err != nil {
				t.Errorf("write: %v", err)
			}
		})
		reading.Go(func() { c.wrong = c.read() })
		go io.Copy(io.Discard, c.program)
	}
	var left, busy atomic.Int64
	left.Store(int64(*injections))
	start := time.Now()
	var pinging sync.WaitGroup
	for lane := range Lanes {
		pinging.Go(func() {
			for i := lane; left.Load() > 0 && time.Since(start) < time.Hour; i += Lanes {
				c := talks[i%len(talks)]
				switch out := h.Ping(c.target, c.base+c.boundary.Load()+4*c.pings, fine); {
				case out.Result == Done:
					left.Add(-1)
					c.pings++
				case errors.Is(out.Err, guard.ErrLate):
					// It may have been written in the last moment.
					c.settle(t)
				case out.Reason != Busy:
					t.Error(out)
					return
				default:
					busy.Add(1)
				}
			}
		})
	}
	pinging.Wait()
	took := time.Since(start)
	close(stop)
	writing.Wait()
	reading.Wait()
	var messages, arrived uint64
	for i, c := range talks {
		if c.wrong != nil {
			t.Errorf("connection %d: %v", i, c.wrong)
		}
		if n := c.pinged.Load(); n != c.pings {
			t.Errorf("connection %d: %d pings arrived, %d were sent", i, n, c.pings)
		}
		messages += c.messages
		arrived += uint64(c.pinged.Load())
	}
	s := h.Sent()
	t.Logf("%d pings among %d messages in %v; %d found the socket busy, of these %d only when it was locked; %d were late; locked for %v, at most %v",
		arrived, messages, took, busy.Load(), s.Caught, s.Late, s.Held/time.Duration(max(1, s.Done)), s.Longest)
	if messages == 0 || s.Caught == 0 {
		t.Error("the program was never in the way: this has shown nothing")
	}
}
