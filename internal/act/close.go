// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

// As in the kernel's net/tcp_states.h.
const (
	stateEstablished = 1
	stateFinWait1    = 4
	stateFinWait2    = 5
	stateClose       = 7
	stateCloseWait   = 8
)

// Close ends the connection of t.
//
// Gently: a FIN, after which the process reads the end of the stream and the peer
// too. Only if the connection is established and no byte waits, to be sent, to
// be acknowledged or to be read.
//
// Hard: a reset to the peer, an error for the process, and what was queued is
// lost. For what does not go away gently: also a half-closed connection, or one
// whose peer acknowledges nothing any more. Only if no byte waits to be read.
//
// still is asked after the socket has been looked at first; it returns why the
// connection must stay, or nil. If bytes have moved since that look, it stays: so
// still must answer from all that had moved when it was called. It may be called
// from another goroutine, before Close returns, and must not call h.
func (h *Hands) Close(t Target, hard bool, still func() error) Outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := Shutdown
	if hard {
		m = h.hardMeans()
	}
	found, err := h.reach.Holders(t.Socket)
	if err != nil {
		return failed(m, "close %s: %w", t, err)
	}
	holders := found[t.Socket]
	if len(holders) == 0 {
		return h.nobody(t, m)
	}
	if first := firstOf(t.PID, holders)[0]; t.PID != 0 && first.PID != t.PID {
		return skipped(m, Changed, "%s: held by process %d, not %d", t, first.PID, t.PID)
	}
	if hard {
		return h.closeHard(t, m, holders, still)
	}
	return h.closeGently(t, holders, still)
}

// closeGently lets go of the socket while the caller thinks: a duplicate keeps
// open what the process may want to close.
func (h *Hands) closeGently(t Target, holders []reach.Holder, still func() error) Outcome {
	d, out := h.take(t, Shutdown, holders)
	if d == nil {
		return out
	}
	before, out := h.inspect(t, d)
	h.drop(d)
	if out.Result != 0 {
		return out
	}
	if err := still(); err != nil {
		return skipped(Shutdown, Busy, "%s: %w", t, err)
	}
	if d, out = h.take(t, Shutdown, holders); d == nil {
		if out.Reason == Gone {
			return skipped(Shutdown, Changed, "%s: closed or handed on at this moment", t)
		}
		return out
	}
	defer h.drop(d)
	now, out := h.inspect(t, d)
	switch {
	case out.Result != 0:
		return out
	case moved(before, now):
		return busy(t, Shutdown)
	}
	if err := h.marks.Ending(t.Socket); err != nil {
		return failed(Shutdown, "close %s: %w", t, err)
	}
	defer h.marks.Ending(0)
	if err := unix.Shutdown(d.fd, unix.SHUT_RDWR); errors.Is(err, unix.ENOTCONN) {
		return skipped(Shutdown, Changed, "%s: closed at this moment", t)
	} else if err != nil {
		return failed(Shutdown, "shut down %s: %w", t, err)
	}
	return done(Shutdown)
}

func (h *Hands) inspect(t Target, d *duplicate) (reach.Look, Outcome) {
	l, err := d.look()
	if err != nil {
		return l, failed(Shutdown, "close %s: %w", t, err)
	}
	return l, judge(t, Shutdown, l)
}

func moved(before, now reach.Look) bool {
	return now.Received != before.Received || now.Sent != before.Sent
}

func busy(t Target, m Means) Outcome {
	return skipped(m, Busy, "%s: bytes moved at this moment", t)
}

// judge says whether a socket that looks so may be closed: then the outcome is
// zero.
func judge(t Target, m Means, l reach.Look) Outcome {
	switch {
	case !closable(m, l.State):
		return skipped(m, Changed, "%s: in state %s", t, stateName(l.State))
	case l.Local.IsValid() && (!same(l.Local, t.Local) || !same(l.Remote, t.Remote)):
		return skipped(m, NotOurs, "%s: it is %s to %s", t, l.Local, l.Remote)
	case l.Unread > 0:
		return skipped(m, Busy, "%s: %d bytes are not read yet", t, l.Unread)
	case m == Shutdown && l.Queued > 0:
		return skipped(m, Busy, "%s: %d bytes are not sent or not acknowledged yet", t, l.Queued)
	}
	return Outcome{}
}

// closable: half-closed connections are for the hard means.
func closable(m Means, state uint8) bool {
	switch state {
	case stateEstablished:
		return true
	case stateCloseWait, stateFinWait1, stateFinWait2:
		return m != Shutdown
	}
	return false
}

func same(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Unmap().WithZone("") == b.Addr().Unmap().WithZone("")
}

func stateName(state uint8) string {
	names := [...]string{"0", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
		"CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"}
	if int(state) < len(names) {
		return names[state]
	}
	return "unknown"
}
