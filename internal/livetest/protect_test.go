// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"net"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/act"
)

// TestProtect: the program finds its socket with the options set, whatever it was
// doing; when it undoes them, that is noticed.
func TestProtect(t *testing.T) {
	places(t, func(t *testing.T, n *namespace, listener *net.TCPListener) {
		h := newHands(t, nil)
		c, gone, other := n.newClient(t, listener), n.newClient(t, listener), n.newClient(t, listener)
		before := other.order("options")
		gone.kill()
		means := act.Iterator
		if n != nil {
			means = act.Setsockopt
		}
		o := act.Options{KeepaliveIdle: 40 * time.Second, Interval: 7500 * time.Millisecond, Probes: 4, UserTimeout: 61 * time.Second}
		both := func(o act.Options) []act.Protection {
			return []act.Protection{{Target: gone.target, Options: o}, {Target: c.target, Options: o}}
		}
		want := func(what string, got []act.Outcome, result act.Result, reason act.Reason) {
			t.Helper()
			if len(got) != 2 || got[0].Result != act.Skipped || got[0].Reason != act.Gone {
				t.Fatalf("%s: of a process that is gone: %v", what, got)
			}
			if got[1].Result != result || got[1].Reason != reason || got[1].Means != means {
				t.Errorf("%s: %v by %q, want %v %v by %q", what, got[1], got[1].Means, result, reason, means)
			}
		}
		open := sockets(t)
		want("nothing set yet", h.Check(both(o)), act.Skipped, act.Changed)
		want("protect", h.Protect(both(o)), act.Done, "")
		if got := c.order("options"); got != "1 40 8 4 61000" {
			t.Errorf("the program's socket has %s", got)
		}
		want("check", h.Check(both(o)), act.Done, "")
		c.order("undo")
		want("undone", h.Check(both(o)), act.Skipped, act.Changed)
		want("set again", h.Protect(both(act.Options{KeepaliveIdle: 50 * time.Second})), act.Done, "")
		if got := c.order("options"); got != "1 50 8 4 61000" {
			t.Errorf("the program's socket has %s; what is not asked for must stay", got)
		}
		if now := sockets(t); now != open {
			t.Errorf("%d sockets were open before, %d are now", open, now)
		}
		if after := other.order("options"); after != before {
			t.Errorf("another socket had %s, and has %s", before, after)
		}
		c.lives()
	})
}
