// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/act/guard"
)

// ping is RFC 5626 section 4.4.1's.
var ping = []byte("\r\n\r\n")

// Ping writes a double CRLF into t's stream, if the stream's next byte has the
// sequence number at, the connection is established, and all that was written
// before is acknowledged. The socket is locked from this check to the write: the
// process cannot put in a byte between them. It never waits for room.
//
// still is asked just before; it returns why there must be no ping, or nil. It must
// not call h.
func (h *Hands) Ping(t Target, at uint32, still func() error) Outcome {
	l, err := h.lane()
	if err != nil {
		return failed(Sendmsg, "ping %s: %w", t, err)
	}
	defer l.mu.Unlock()
	if err := still(); err != nil {
		return skipped(Sendmsg, Busy, "%s: %w", t, err)
	}
	return h.lend(t, l, func(fd int) Outcome { return h.ping(t, l, fd, at) })
}

func (h *Hands) ping(t Target, l *lane, fd int, at uint32) Outcome {
	standing, err := h.sends.write(l, guard.Write{Socket: t.Socket, FD: fd, Stream: true, At: at, Data: ping})
	switch {
	case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
		return skipped(Sendmsg, Changed, "%s: closed at this moment", t)
	case errors.Is(err, unix.EAGAIN), errors.Is(err, guard.ErrLate):
		return skipped(Sendmsg, Busy, "%s: %w", t, err)
	case err != nil:
		return failed(Sendmsg, "ping %s: %w", t, err)
	}
	if out := notReady(t, standing); out.Result != 0 {
		return out
	}
	return done(Sendmsg)
}
