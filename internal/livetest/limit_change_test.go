// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/limit"
	"github.com/viaduct-project/viaduct/internal/policyfile"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// TestLimitDryRun counts what it would refuse, and changes nothing.
func TestLimitDryRun(t *testing.T) {
	variants(t, func(t *testing.T, l *link, listener func(netip.AddrPort) *net.TCPListener, ipv6 bool) {
		from := l.sources(t, ipv6)
		server := at(l.b.addr(ipv6), 5060)
		accepted := accepting(t, listener(server), false)
		limiter := limits(t,
			row("number", "dry-run", "max_connections: 2, direction: both", append(from[1:2:2], server.Addr())...),
			row("rate", "dry-run", "connects_per_second: 0.001, burst: 4", from[2]))
		all := l.a.attempts(t, 10, from[1], server)
		all = append(all, l.a.attempts(t, 10, from[2], server)...)
		until(t, func() string {
			if n := speak(all); n != len(all) || accepted.of(from[1]) != 10 || accepted.of(from[2]) != 10 {
				return fmt.Sprintf("%d of %d established, %d and %d accepted", n, len(all), accepted.of(from[1]), accepted.of(from[2]))
			}
			return ""
		})
		counted(t, limiter, "number", 10-2, 2*10-2) // out: both senders call the same address
		counted(t, limiter, "rate", 10-4, 0)
		becomes(t, limiter, from[1], 10)
	})
}

// TestLimitOlder: connections that are older than the limiter count, and what it
// did not see the recount puts right.
func TestLimitOlder(t *testing.T) {
	l := newLink(t)
	server := at(l.b.v4, 5060)
	accepted := accepting(t, l.b.listen(t, server), false)
	older := l.a.attempts(t, 3, l.a.v4, server)
	accepted.has(t, l.a.v4, 3)
	limiter := limits(t, row("in", "enforce", "max_connections: 3", l.a.v4), row("out", "enforce", "max_connections: 4, direction: out", l.b.v4))
	if in, out := open(t, limiter, l.a.v4), open(t, limiter, l.b.v4); in != 3 || out != 3 {
		t.Errorf("%d in and %d out are counted, want 3 of each", in, out)
	}
	refused := l.a.attempts(t, 1, l.a.v4, server)
	counted(t, limiter, "in", 1, 0)
	for _, a := range append(older, refused...) {
		a.close() // with a reset, both ends are gone
	}
	becomes(t, limiter, l.a.v4, 0)
	becomes(t, limiter, l.b.v4, 0)
	if err := limiter.Recount(); err != nil {
		t.Fatal(err)
	}
	if e, err := limiter.Entries(); err != nil || e.Sources != 0 {
		t.Errorf("%+v, %v: the recount leaves sources without connections", e, err)
	}
}

// TestLimitChanges: another policy takes over without a gap. A row of the same
// name keeps what its sources have; one that is gone limits nobody.
func TestLimitChanges(t *testing.T) {
	l := newLink(t)
	from := l.sources(t, false)
	server := at(l.b.v4, 5060)
	accepted := accepting(t, l.b.listen(t, server), false)
	limiter := limits(t,
		row("first", "enforce", "max_connections: 2", from[1]),
		row("second", "enforce", "connects_per_second: 0.001, burst: 2", from[2]))
	l.a.attempts(t, 3, from[1], server)
	l.a.attempts(t, 3, from[2], server)
	counted(t, limiter, "first", 1, 0)
	counted(t, limiter, "second", 1, 0)

	change := func(rows ...string) {
		t.Helper()
		p, err := policyfile.Parse("limits.yaml", []byte("version: 1\npeers:\n"+strings.Join(rows, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		if err := limiter.Update(p); err != nil {
			t.Fatal(err)
		}
	}
	change(
		row("new", "enforce", "max_connections: 1", from[0]),
		row("second", "enforce", "connects_per_second: 0.001, burst: 2", from[2]),
		row("first", "enforce", "max_connections: 2", from[1]))
	l.a.attempts(t, 1, from[1], server)
	l.a.attempts(t, 1, from[2], server)
	counted(t, limiter, "first", 2, 0)
	counted(t, limiter, "second", 2, 0)

	// The two connections are now of another row.
	change(row("moved", "enforce", "max_connections: 3", from[1]))
	becomes(t, limiter, from[1], 2)
	l.a.attempts(t, 1, from[1], server)
	accepted.has(t, from[1], 3)
	l.a.attempts(t, 1, from[1], server)
	counted(t, limiter, "moved", 1, 0)
	l.a.attempts(t, 5, from[2], server)
	accepted.has(t, from[2], 7)
	counted(t, limiter, "first", 2, 0) // what was counted stays

	change("- {name: nothing, match: {cidrs: [192.0.2.0/24]}}")
	l.a.attempts(t, 2, from[1], server)
	accepted.has(t, from[1], 5)
	counted(t, limiter, "moved", 1, 0)
}

// limiterVariable makes the test binary a process that limits until it is killed.
const limiterVariable = "VIADUCT_LIVETEST_LIMITER"

func limitUntilKilled() error {
	p, err := policyfile.Parse("limits.yaml", []byte(os.Getenv(limiterVariable)))
	if err != nil {
		return err
	}
	if _, err := limit.Start(p, limit.Options{}); err != nil {
		return err
	}
	fmt.Println("limiting")
	for {
		unix.Pause() // the runtime would call a wait without a waker a deadlock
	}
}

// TestLimitKilled: with the process the limits go, at once.
func TestLimitKilled(t *testing.T) {
	testutil.RequireRoot(t)
	l := newLink(t)
	server := at(l.b.v4, 5060)
	accepted := accepting(t, l.b.listen(t, server), false)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), limiterVariable+"=version: 1\npeers:\n"+row("one", "enforce", "max_connections: 1", l.a.v4))
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "limiting\n" {
		t.Fatal(line, err)
	}
	l.a.attempts(t, 1, l.a.v4, server)
	accepted.has(t, l.a.v4, 1)
	if err := l.a.tryFrom(t, server); err == nil {
		t.Error("a second connection was accepted")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if err := l.a.tryFrom(t, server); err != nil {
		t.Errorf("after the limiter was killed: %v", err)
	}
}

func (n *namespace) tryFrom(t *testing.T, remote netip.AddrPort) (err error) {
	t.Helper()
	n.do(t, func() { err = tryConnect(remote, patience/10) })
	return err
}
