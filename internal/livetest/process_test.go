// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// patience bounds every wait for a condition. It is generous: it decides only
// how long a test that fails takes.
const patience = 20 * time.Second

// process is a program under a test.
type process struct{ *testutil.Program }

// start runs a program inside n, in a directory of its own.
func (n *namespace) start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = t.TempDir()
	where := ""
	if n != nil {
		where = n.name
	}
	return &process{testutil.Start(t, where, cmd)}
}

// label is how facts name the program.
func (p *process) label() string {
	return fmt.Sprintf("%s/%d", filepath.Base(p.Path), p.Process.Pid)
}

// succeed waits until the program has ended, with exit code 0.
func (p *process) succeed(t *testing.T) {
	t.Helper()
	select {
	case <-p.Done:
	case <-time.After(patience):
		t.Fatalf("%s does not end", p.Path)
	}
	if p.Err != nil {
		t.Fatalf("%s: %v", p.Path, p.Err)
	}
}

// until waits for a condition; what says what was wrong with it last.
func until(t *testing.T, condition func() (wrong string)) {
	t.Helper()
	untilWithin(t, patience, condition)
}

// untilWithin is until for what takes its time.
func untilWithin(t *testing.T, limit time.Duration, condition func() (wrong string)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		wrong := condition()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still: %s", limit, wrong)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// connected waits until n has so many connections to a port.
func (n *namespace) connected(t *testing.T, port uint16, count int) {
	t.Helper()
	remote := regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: [0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:%04X 01 `, port))
	until(t, func() string {
		var table []byte
		var err error
		n.do(t, func() { table, err = os.ReadFile("/proc/thread-self/net/tcp") })
		if err != nil {
			t.Fatal(err)
		}
		if have := len(remote.FindAll(table, -1)); have < count {
			return fmt.Sprintf("%d connections to port %d, want %d", have, port, count)
		}
		return ""
	})
}

// bound waits until something in n listens on, or with udp is bound to, a port.
func (n *namespace) bound(t *testing.T, transport string, port uint16) {
	t.Helper()
	local := regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: [0-9A-F]+:%04X [0-9A-F]+:0000 0[7A] `, port))
	until(t, func() string {
		var tables []byte
		n.do(t, func() {
			for _, family := range []string{"", "6"} {
				table, err := os.ReadFile("/proc/thread-self/net/" + transport + family)
				if err != nil {
					t.Fatal(err)
				}
				tables = append(tables, table...)
			}
		})
		if local.Match(tables) {
			return ""
		}
		return fmt.Sprintf("nothing is bound to %s port %d", transport, port)
	})
}

func at(addr netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(addr, port) }
