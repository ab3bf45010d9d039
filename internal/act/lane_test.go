// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/act/guard"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// started is how many lanes have a process.
func (h *Hands) started() (n int) {
	for i := range h.sends.lanes {
		if l := &h.sends.lanes[i]; l.writer != nil {
			n++
		}
	}
	return n
}

// pingNow pings until it is done; the connection is idle.
func (c *talk) pingNow(t *testing.T, h *Hands, still func() error) {
	for deadline := time.Now().Add(patience); ; {
		raw, err := c.program.SyscallConn()
		if err != nil {
			t.Error(err)
			return
		}
		var at uint32
		raw.Control(func(fd uintptr) { at, err = nextSeq(int(fd)) })
		if err != nil {
			t.Error(err)
			return
		}
		out := h.Ping(c.target, at, still)
		if out.Result == Done {
			return
		}
		if out.Reason != Busy || time.Now().After(deadline) {
			t.Errorf("ping: %v", out)
			return
		}
	}
}

// TestLanes: keep-alives do not wait for each other, as far as there are lanes; and a
// process is started only where those before it are busy.
func TestLanes(t *testing.T) {
	testutil.RequireRoot(t)
	h, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	talks := make([]*talk, Lanes)
	for i := range talks {
		talks[i] = newTalk(t, h)
		talks[i].pingNow(t, h, fine)
	}
	if n := h.started(); n != 1 {
		t.Errorf("%d processes for one keep-alive after the other", n)
	}
	var together, done sync.WaitGroup
	together.Add(Lanes)
	all := make(chan struct{})
	go func() { together.Wait(); close(all) }()
	for _, c := range talks {
		var once sync.Once
		done.Go(func() {
			c.pingNow(t, h, func() error {
				once.Do(together.Done)
				select {
				case <-all:
				case <-time.After(patience):
					t.Error("it waits for another one")
				}
				return nil
			})
		})
	}
	done.Wait()
	if n := h.started(); n != Lanes {
		t.Errorf("%d processes for %d keep-alives side by side", n, Lanes)
	}
}

// TestLaneRefused: where no more processes can be had than the first, that one
// writes all; where not even that, the error is told.
func TestLaneRefused(t *testing.T) {
	testutil.RequireRoot(t)
	h, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	refused := errors.New("no more processes")
	for i := range h.sends.lanes[1:] {
		h.sends.lanes[1+i].refused = refused
	}
	var done sync.WaitGroup
	for range Lanes {
		c := newTalk(t, h)
		done.Go(func() { c.pingNow(t, h, fine) })
	}
	done.Wait()
	if n := h.started(); n != 1 {
		t.Errorf("%d processes", n)
	}
	h.sends.lanes[0].close()
	h.sends.lanes[0].refused = refused
	if out := h.Ping(Target{Socket: 1}, 0, fine); out.Result != Failed || !errors.Is(out.Err, refused) || errors.Is(out.Err, guard.ErrLate) {
		t.Errorf("without any: %v", out)
	}
}
