// SPDX-License-Identifier: Apache-2.0

package act

import (
	"flag"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup.threads of a threaded group, or tasks of cgroup v1.
var heldGroup = flag.String("group", "", "file of a cgroup that takes thread ids: BenchmarkHeld pings from there, beside a thread that uses up what CPU it has")

func enter(b *testing.B) {
	if *heldGroup == "" {
		return
	}
	runtime.LockOSThread() // for good: the thread ends with its goroutine
	if err := os.WriteFile(*heldGroup, []byte(strconv.Itoa(unix.Gettid())), 0); err != nil {
		b.Error(err)
	}
}

// BenchmarkHeld writes pings into a connection of this process, each when the one
// before is acknowledged. It reports how long a write took, of which the socket was
// locked for a part, and how often the process that writes was too late.
func BenchmarkHeld(b *testing.B) {
	h, err := New(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Release()
	peer, held := loopback(b)
	target, err := targetOf(held)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := held.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	var next uint32
	raw.Control(func(fd uintptr) { next, err = nextSeq(int(fd)) })
	if err != nil {
		b.Fatal(err)
	}
	go io.Copy(io.Discard, peer)

	// A collection would wait for threads that are throttled, and all for it.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var done atomic.Bool
	if *heldGroup != "" {
		go func() {
			for enter(b); !done.Load(); {
			}
		}()
	}
	var took []time.Duration
	ended := make(chan bool)
	go func() {
		defer close(ended)
		enter(b)
		for len(took) < b.N {
			before := h.Sent()
			out := h.Ping(target, next, fine)
			after := h.Sent()
			if out.Result == Done {
				next += uint32(len(ping))
				took = append(took, after.Held-before.Held)
			} else if out.Reason != Busy {
				b.Error(out)
				return
			}
			settled(raw)
			raw.Control(func(fd uintptr) { next, _ = nextSeq(int(fd)) })
		}
	}()
	<-ended
	done.Store(true)
	report(b, took)
	b.ReportMetric(float64(h.Sent().Late), "late")
}

func loopback(b *testing.B) (peer, held *net.TCPConn) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	dialed, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// settled waits until all that was written is acknowledged.
func settled(raw interface{ Control(func(uintptr)) error }) {
	for queued := -1; queued != 0; {
		raw.Control(func(fd uintptr) { queued, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	}
}

func report(b *testing.B, all []time.Duration) {
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"max", 1}} {
		b.ReportMetric(float64(all[int(q.at*float64(len(all)-1))])/1e3, "µs-held-"+q.name)
	}
}
