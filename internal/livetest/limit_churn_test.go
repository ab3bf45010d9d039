// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/limit"
)

// TestLimitChurn: however connections begin and end, what is counted is the
// sockets that are there, at the latest with the next recount; and without one
// if the kernel has left out runs of one of the programs that count, which this
// load makes it do in most rounds.
func TestLimitChurn(t *testing.T) {
	const rounds = 6
	l := newLink(t)
	accepted := accepting(t, l.b.listen(t, at(l.b.v4, 5060)), false)
	limiter := limits(t,
		row("in", "enforce", "max_connections: 1000000", l.a.v4),
		row("out", "enforce", "max_connections: 1000000, connects_per_second: 1000000, direction: out", l.b.v4))
	leftOut, wrong := 0, 0
	for i := range rounds {
		before := missed(t, limiter)
		closeAll := churnLimited(t, l, accepted, uint64(i))
		ended := time.Now()
		differs := miscounted(t, l, limiter)
		for differs != "" && time.Since(ended) < time.Second {
			differs = miscounted(t, l, limiter)
		}
		if missed(t, limiter) > before {
			leftOut++
			if differs != "" {
				wrong++
				t.Logf("round %d, before a recount: %s", i, differs)
			}
		}
		until(t, func() string {
			if err := limiter.Recount(); err != nil {
				t.Fatal(err)
			}
			return miscounted(t, l, limiter)
		})
		closeAll()
		accepted.closeAll() // or their descriptors add up
	}
	t.Logf("in %d of %d rounds the kernel left out runs, %d of these were counted wrongly", leftOut, rounds, wrong)
	if leftOut > 0 && wrong == leftOut {
		t.Error("runs that the kernel leaves out make the numbers wrong")
	}
}

// missed is how many runs the kernel has left out of the programs that count.
func missed(t *testing.T, l *limit.Limiter) (n uint64) {
	t.Helper()
	hooks, err := l.Hooks()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hooks {
		n += h.Missed
	}
	return n
}

// miscounted says how what is counted differs from the sockets.
func miscounted(t *testing.T, l *link, limiter *limit.Limiter) string {
	in, out := open(t, limiter, l.a.v4), open(t, limiter, l.b.v4)
	wantIn, wantOut := l.b.inTCP(t), l.a.inTCP(t)
	if in != wantIn || out != wantOut || wantIn == 0 || wantOut == 0 {
		return fmt.Sprintf("%d in and %d out are counted, there are %d and %d", in, out, wantIn, wantOut)
	}
	return ""
}

// churnLimited opens and ends connections in all ways. What is still open is
// closed by the function that it returns.
func churnLimited(t *testing.T, l *link, accepted *acceptor, seed uint64) func() {
	const steps = 10_000 // 2,300 descriptors at their end
	server := at(l.b.v4, 5060)
	r := rand.New(rand.NewPCG(seed, 61))
	var mine []attempt
	l.a.do(t, func() {
		for range steps {
			if len(mine) == 0 || r.IntN(3) > 0 && len(mine) < 500 {
				to := server
				if r.IntN(20) == 0 {
					to = at(l.b.v4, 5061) // nobody listens
				}
				a, err := newAttempt(l.a.v4, to)
				if err != nil {
					t.Error(err)
					return
				}
				mine = append(mine, a)
				continue
			}
			i := r.IntN(len(mine))
			switch r.IntN(5) {
			case 0: // without a reset
				unix.SetsockoptLinger(int(mine[i]), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
				fallthrough
			case 1:
				mine[i].close()
				mine[i] = mine[len(mine)-1]
				mine = mine[:len(mine)-1]
			case 2:
				unix.Shutdown(int(mine[i]), unix.SHUT_WR)
			case 3:
				unix.Write(int(mine[i]), []byte("x"))
			case 4:
				accepted.end(r, l.a.v4)
			}
		}
	})
	closeAll := sync.OnceFunc(func() {
		for _, a := range mine {
			a.close()
		}
	})
	t.Cleanup(closeAll) // what a failed test leaves open, later ones would report
	return closeAll
}

// end closes one of the server's sockets, which may be closed already.
func (a *acceptor) end(r *rand.Rand, from netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if all := a.conns[from]; len(all) > 0 {
		all[r.IntN(len(all))].Close()
	}
}

// inTCP counts n's sockets of connections on SIP ports, by the kernel's own list.
func (n *namespace) inTCP(t *testing.T) (count uint64) {
	t.Helper()
	n.do(t, func() {
		list, err := os.ReadFile("/proc/thread-self/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(list)) {
			fields := strings.Fields(line)
			if !strings.HasSuffix(fields[1], ":13C4") && !strings.HasSuffix(fields[2], ":13C4") && !strings.HasSuffix(fields[2], ":13C5") {
				continue
			}
			// The timer of what is left of a connection in TIME-WAIT, which FIN-WAIT-2
			// may be, too, once no process has the socket.
			if strings.HasPrefix(fields[5], "03:") {
				continue
			}
			state, err := strconv.ParseUint(fields[3], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			switch state {
			case unix.BPF_TCP_SYN_RECV, unix.BPF_TCP_CLOSE, unix.BPF_TCP_LISTEN, unix.BPF_TCP_NEW_SYN_RECV:
			default:
				count++
			}
		}
	})
	return count
}
