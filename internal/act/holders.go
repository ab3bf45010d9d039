// SPDX-License-Identifier: Apache-2.0

package act

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

const (
	// listShare: a pass over all files of the host stands for this many times what
	// it took, so that passes take 5 % of a CPU at most in the long run; listAhead
	// is how far they may be ahead of that.
	listShare = 20
	listAhead = time.Second
	// listMax is how many holders are remembered, at 24 bytes each.
	listMax = 1 << 20
	// processesMax is how many processes are kept open.
	processesMax = 256
)

// holders remember who holds which socket. What they say is proven by the
// socket's cookie when it is used, and looked up again where it is wrong.
type holders struct {
	mu     sync.Mutex // guards all, for duplicate and close
	list   func() ([]reach.Held, error)
	all    []reach.Held // by socket
	over   int          // those that there was no room for
	paid   time.Time    // up to when the passes that were made stand for
	opened map[uint32]int
}

// find returns who holds a socket, t's process first.
func (h *holders) find(t Target) []reach.Held {
	from, _ := slices.BinarySearchFunc(h.all, t.Socket, bySocket)
	to := from
	for to < len(h.all) && h.all[to].Socket == t.Socket {
		to++
	}
	found := slices.Clone(h.all[from:to])
	slices.SortStableFunc(found, func(a, b reach.Held) int {
		return cmp.Compare(order(t, a), order(t, b))
	})
	return found
}

func bySocket(h reach.Held, socket uint64) int { return cmp.Compare(h.Socket, socket) }

func order(t Target, h reach.Held) int {
	if h.PID == t.PID {
		return 0
	}
	return 1
}

// errSoon: it is too early to look again.
var errSoon = errors.New("who holds which socket was looked up a moment ago")

// refresh looks again.
func (h *holders) refresh() error {
	start := time.Now()
	if h.paid.Sub(start) > listAhead {
		return errSoon
	}
	all, err := h.list()
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b reach.Held) int { return cmp.Compare(a.Socket, b.Socket) })
	h.over = max(0, len(all)-listMax)
	h.all = all[:len(all)-h.over]
	if h.paid.Before(start) {
		h.paid = start
	}
	h.paid = h.paid.Add(listShare * time.Since(start))
	return nil
}

// duplicate returns a descriptor of t's socket, which the caller must close. The
// error is errSoon, errElsewhere, where nobody has it, or a refusal.
func (h *holders) duplicate(t Target) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fd, err := h.try(t)
	if !errors.Is(err, errElsewhere) {
		return fd, err
	}
	if err := h.refresh(); err != nil {
		return -1, err
	}
	return h.try(t)
}

func (h *holders) try(t Target) (int, error) {
	result := errElsewhere
	for _, held := range h.find(t) {
		fd, err := h.duplicateOf(t.Socket, held.Holder)
		if err == nil {
			return fd, nil
		}
		if !errors.Is(err, errElsewhere) {
			result = err
		}
	}
	return -1, result
}

func (h *holders) duplicateOf(socket uint64, holder reach.Holder) (int, error) {
	process, err := h.process(holder.PID)
	if err != nil {
		return -1, err
	}
	fd, err := duplicateFrom(process, socket, holder)
	if errors.Is(err, errElsewhere) {
		h.forget(holder.PID) // it may have ended, and its number be another's
	}
	return fd, err
}

func (h *holders) process(pid uint32) (int, error) {
	if fd, ok := h.opened[pid]; ok {
		return fd, nil
	}
	fd, err := openProcess(pid)
	if err != nil {
		return -1, err
	}
	if len(h.opened) >= processesMax {
		h.close()
	}
	if h.opened == nil {
		h.opened = make(map[uint32]int)
	}
	h.opened[pid] = fd
	return fd, nil
}

func (h *holders) forget(pid uint32) {
	if fd, ok := h.opened[pid]; ok {
		unix.Close(fd)
		delete(h.opened, pid)
	}
}

func (h *holders) close() {
	for pid := range h.opened {
		h.forget(pid)
	}
}

func openProcess(pid uint32) (int, error) {
	fd, err := unix.PidfdOpen(int(pid), 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, errElsewhere
	}
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", pid, err)
	}
	return fd, nil
}
