// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/act/guard"
)

// stunHeader is the length of a STUN message without attributes (RFC 8489
// section 5); its transaction id are the last 12 bytes.
const stunHeader = 20

// Binding sends a STUN request from t's socket of UDP to t.Remote, with t.Local as
// its source. With swallow, what answers it is kept from the process that has the
// socket. It is not sent while a datagram is being put together (UDP_CORK,
// MSG_MORE), of which it would become a part.
//
// The trap: if the peer's host says that nobody is there, a process with a
// connected socket gets that error, as for a request of its own.
func (h *Hands) Binding(t Target, packet []byte, swallow bool) Outcome {
	if len(packet) < stunHeader {
		return failed(Sendmsg, "%s: %d bytes are no STUN request", t, len(packet))
	}
	l, err := h.lane()
	if err != nil {
		return failed(Sendmsg, "ask %s: %w", t, err)
	}
	defer l.mu.Unlock()
	return h.lend(t, l, func(fd int) Outcome {
		w := guard.Write{Socket: t.Socket, FD: fd, Data: packet}
		if out := address(t, &w); out.Result != 0 {
			return out
		}
		if err := h.marks.Asking([12]byte(packet[8:]), t.Socket, t.Local, t.Remote, swallow); err != nil {
			return failed(Sendmsg, "%s: %w", t, err)
		}
		standing, err := h.sends.write(l, w)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, guard.ErrLate):
			return skipped(Sendmsg, Busy, "%s: %w", t, err)
		case err != nil:
			return failed(Sendmsg, "ask %s: %w", t, err)
		}
		if out := notReady(t, standing); out.Result != 0 {
			return out
		}
		return done(Sendmsg)
	})
}

// address says where the datagram goes, and where it comes from.
func address(t Target, w *guard.Write) Outcome {
	local, err := addressOf(unix.Getsockname(w.FD))
	if err != nil {
		return failed(Sendmsg, "read the local address of %s: %w", t, err)
	}
	if local.Port() != t.Local.Port() || !local.Addr().IsUnspecified() && !same(local, t.Local) {
		return skipped(Sendmsg, NotOurs, "%s: it is bound to %s", t, local)
	}
	family, err := unix.GetsockoptInt(w.FD, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return failed(Sendmsg, "read the family of %s: %w", t, err)
	}
	switch remote, err := addressOf(unix.Getpeername(w.FD)); {
	case err == nil && !same(remote, t.Remote):
		return skipped(Sendmsg, NotOurs, "%s: it is connected to %s", t, remote)
	case err == nil: // connected: nothing to say
		return Outcome{}
	case !errors.Is(err, unix.ENOTCONN):
		return failed(Sendmsg, "read the remote address of %s: %w", t, err)
	}
	if family == unix.AF_INET {
		w.Name, w.Control = to4(t.Remote), from4(t.Local.Addr())
	} else {
		w.Name, w.Control = to6(t.Remote), from6(t.Local.Addr())
	}
	return Outcome{}
}

func to4(a netip.AddrPort) []byte {
	sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap(a.Port()), Addr: a.Addr().Unmap().As4()}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&sa)), unix.SizeofSockaddrInet4)...)
}

// to6 takes IPv4 in its mapped form.
func to6(a netip.AddrPort) []byte {
	sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap(a.Port()), Addr: a.Addr().As16()}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&sa)), unix.SizeofSockaddrInet6)...)
}

// swap makes network byte order; viaduct's machines are all little-endian.
func swap(port uint16) uint16 { return port<<8 | port>>8 }

func from4(a netip.Addr) []byte {
	if a.IsUnspecified() {
		return nil
	}
	return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.Unmap().As4()})
}

func from6(a netip.Addr) []byte {
	if a.IsUnspecified() {
		return nil
	}
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a.As16()})
}
