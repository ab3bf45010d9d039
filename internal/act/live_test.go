// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// connection is a connection of this process, and what its accepting end is as
// a target. Package livetest has the rest: here is what needs a look inside.
func connection(t *testing.T) (peer, held *net.TCPConn, target Target) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialed, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	peer, held = dialed.(*net.TCPConn), accepted.(*net.TCPConn)
	target, err = targetOf(held)
	if err != nil {
		t.Fatal(err)
	}
	return peer, held, target
}

// TestSockDiag: the way of kernels without bpf_sock_destroy, with the same result;
// or, on kernels that have neither, a sentence about it.
func TestSockDiag(t *testing.T) {
	testutil.RequireRoot(t)
	h, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	peer, held, target := connection(t)
	out := h.destroy(target, SockDiag, func() error { _, err := held.Write([]byte("x")); return err })
	if out.Result != Skipped || out.Reason != Busy {
		t.Errorf("while bytes move: %v, want it to stay", out)
	}
	if _, err := peer.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	wrong := target
	wrong.Socket++
	if err := diagDestroy(wrong); !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESTALE) && !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("with a cookie that the socket does not have: %v", err)
	}
	out = h.destroy(target, SockDiag, func() error { return nil })
	if errors.Is(out.Err, unix.EOPNOTSUPP) {
		t.Log(out)
		return
	}
	if out.Result != Done || out.Means != SockDiag {
		t.Fatalf("%v, want it to be done", out)
	}
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the peer reads %v, want a reset", err)
	}
	if _, err := held.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNABORTED) {
		t.Errorf("the holder reads %v, want that it was aborted", err)
	}
	if out := h.destroy(target, SockDiag, func() error { return nil }); out.Reason != Gone {
		t.Errorf("again: %v, want gone", out)
	}
}

// TestPassedOnMidway: between finding a descriptor and duplicating it, it has
// become another file's.
func TestPassedOnMidway(t *testing.T) {
	testutil.RequireRoot(t)
	h, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	_, _, target := connection(t)
	_, _, other := connection(t)
	found, err := h.reach.Holders(target.Socket, other.Socket)
	if err != nil {
		t.Fatal(err)
	}
	if len(found[target.Socket]) != 1 || len(found[other.Socket]) != 1 {
		t.Fatalf("holders: %v, want one of each", found)
	}
	if out := h.closeGently(target, found[other.Socket], func() error { return nil }); out.Reason != Gone {
		t.Errorf("with another socket's descriptor: %v, want gone", out)
	}
	if out := h.closeGently(target, found[target.Socket], func() error { return nil }); out.Result != Done {
		t.Errorf("with its own: %v, want done", out)
	}
}
