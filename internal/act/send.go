// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
	"github.com/viaduct-project/viaduct/internal/act/guard"
)

// sender is what sending needs, loaded when first used.
type sender struct {
	lanes   [Lanes]lane
	holders holders

	counting sync.Mutex // guards sent, for those who do not wait for a write
	sent     Sent
}

// Sent is what became of pings and STUN requests.
type Sent struct {
	Done   uint64
	Caught uint64 // not sent, for what was found only when the socket was locked
	Late   uint64 // the socket was not had in time: the writing process was ended
	// Held is how long sending took in all, and at most. A stream's socket was
	// locked no longer.
	Held, Longest time.Duration
}

// Sent returns the totals since h was made.
func (h *Hands) Sent() Sent {
	h.sends.counting.Lock()
	defer h.sends.counting.Unlock()
	return h.sends.sent
}

// write has one write done, and counts it.
func (s *sender) write(l *lane, w guard.Write) (reach.Standing, error) {
	standing, held, err := l.writer.Do(w)
	s.counting.Lock()
	defer s.counting.Unlock()
	switch {
	case errors.Is(err, guard.ErrLate):
		s.sent.Late++
	case err == nil && standing == reach.Ready:
		s.sent.Done++
	case err == nil && held > 0:
		s.sent.Caught++
	}
	s.sent.Held += held
	s.sent.Longest = max(s.sent.Longest, held)
	return standing, err
}

func (s *sender) release() {
	for i := range s.lanes {
		s.lanes[i].close()
	}
	s.holders.mu.Lock()
	defer s.holders.mu.Unlock()
	s.holders.close()
}

// Ready makes ready what Ping and Binding need, so that the first of them need
// not wait for that. What is missing they tell.
func (h *Hands) Ready() {
	if l, err := h.lane(); err == nil { // else it is told by the first that is sent
		l.mu.Unlock()
	}
}

// lend calls write with a duplicate of t's socket.
func (h *Hands) lend(t Target, l *lane, write func(fd int) Outcome) Outcome {
	if err := h.marks.Writing(l.number, t.Socket); err != nil {
		return failed(Sendmsg, "%w", err)
	}
	defer h.marks.Writing(l.number, 0)
	fd, err := h.sends.holders.duplicate(t)
	switch {
	case err == nil:
	case errors.Is(err, errElsewhere):
		return h.nobody(t, Sendmsg)
	case errors.Is(err, errSoon):
		return skipped(Sendmsg, Busy, "%s: %w, and it was not found; try again in a second", t, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS):
		return failed(Sendmsg, "%s: %w; %s", t, err, toReach)
	default:
		return failed(Sendmsg, "%s: %w", t, err)
	}
	out := write(fd)
	unix.Close(fd)
	return out
}

// notReady is the outcome for a socket that was not written to, zero for Ready.
func notReady(t Target, s reach.Standing) Outcome {
	switch s {
	case reach.Ready:
		return Outcome{}
	case reach.State:
		return skipped(Sendmsg, Changed, "%s: it is not established any more", t)
	case reach.Layered:
		return failed(Sendmsg, "%s: TLS in the kernel cuts the stream into records; use TCP's own keep-alive", t)
	case reach.Moved:
		return skipped(Sendmsg, Busy, "%s: the process has sent something at this moment", t)
	case reach.Queued:
		return skipped(Sendmsg, Busy, "%s: bytes are under way to the peer, or about to be sent", t)
	}
	return failed(Sendmsg, "%s: cannot see how the socket stands", t)
}
