// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLimitChurn: however connections begin and end, what is counted is the
// sockets that are there, without a recount: also when the kernel has left out
// runs of the programs that count, which this load makes it do.
func TestLimitChurn(t *testing.T) {
	const steps = 20_000
	l := newLink(t)
	server := at(l.b.v4, 5060)
	accepted := accepting(t, l.b.listen(t, server), false)
	limiter := limits(t,
		row("in", "enforce", "max_connections: 1000000", l.a.v4),
		row("out", "enforce", "max_connections: 1000000, connects_per_second: 1000000, direction: out", l.b.v4))
	r := rand.New(rand.NewPCG(5, 61))
	var mine []attempt
	defer func() {
		for _, a := range mine {
			a.close()
		}
	}()
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
	until(t, func() string {
		in, out := open(t, limiter, l.a.v4), open(t, limiter, l.b.v4)
		wantIn, wantOut := l.b.inTCP(t), l.a.inTCP(t)
		if in != wantIn || out != wantOut || wantIn == 0 || wantOut == 0 {
			return fmt.Sprintf("%d in and %d out are counted, there are %d and %d", in, out, wantIn, wantOut)
		}
		return ""
	})
	if losses, err := limiter.Losses(); err != nil || losses.Corrected > 0 {
		t.Errorf("%d sources put right by a recount, which was not asked for, %v", losses.Corrected, err)
	}
	hooks, err := limiter.Hooks()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hooks {
		t.Logf("%s: %d runs left out", h.Program, h.Missed)
	}
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
