// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/internal/act"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// hands that leave nothing behind: neither now nor after any action of theirs.
type hands struct {
	*act.Hands
	t *testing.T
}

func newHands(t *testing.T, marks act.Marks) *hands {
	t.Helper()
	testutil.RequireRoot(t)
	h, err := act.New(marks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Release)
	return &hands{h, t}
}

// sockets counts those that this process has open.
func sockets(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range all {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func agree() error { return nil }

// close wants an outcome of Close that is so.
func (h *hands) close(target act.Target, hard bool, still func() error, want act.Outcome) act.Outcome {
	h.t.Helper()
	before := sockets(h.t)
	got := h.Close(target, hard, still)
	if after := sockets(h.t); after != before {
		h.t.Errorf("%d sockets were open before, %d are after", before, after)
	}
	if got.Result != want.Result || got.Reason != want.Reason || want.Means != "" && got.Means != want.Means {
		h.t.Errorf("outcome %q by %q, want %v %v by %q", got, got.Means, want.Result, want.Reason, want.Means)
	}
	if (got.Err != nil) != (want.Result != act.Done) {
		h.t.Errorf("outcome %v has the error %v", got.Result, got.Err)
	}
	return got
}

func skips(why act.Reason) act.Outcome { return act.Outcome{Result: act.Skipped, Reason: why} }

// places are where a program can run: beside us, and in another namespace.
func places(t *testing.T, f func(t *testing.T, n *namespace, listener *net.TCPListener)) {
	testutil.RequireRoot(t)
	t.Run("same namespace", func(t *testing.T) {
		f(t, nil, (*namespace)(nil).listen(t, netip.MustParseAddrPort("127.0.0.1:0")))
	})
	t.Run("same namespace, IPv6", func(t *testing.T) {
		f(t, nil, (*namespace)(nil).listen(t, netip.MustParseAddrPort("[::1]:0")))
	})
	t.Run("other namespace", func(t *testing.T) {
		l := newLink(t)
		f(t, l.a, l.b.listen(t, at(l.b.v4, 5061)))
	})
}
