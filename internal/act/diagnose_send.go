// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf"
)

// crlf has a ping written on a connection of this process, and denied where it
// would be in the wrong place.
func (h *Hands) crlf() bpf.Feature {
	const name = "keepalive-crlf"
	out := onLoopback(func(t Target) Outcome {
		return patiently(func() Outcome {
			at, err := h.nextByte(t)
			if err != nil {
				return failed(Sendmsg, "%w", err)
			}
			switch out := h.Ping(t, at+1, fine); out.Result {
			case Failed:
				return out
			case Done:
				return failed(Sendmsg, "%s: a ping was written in the wrong place", t)
			}
			return h.Ping(t, at, fine)
		})
	})
	if out.Result != Done {
		return lacking(name, out.Err, "TCP keep-alives are used instead; for double CRLFs give viaduct CAP_SYS_PTRACE and let userfaultfd(2) pass")
	}
	return bpf.Feature{Name: name, State: bpf.There, Why: fmt.Sprintf("written under the socket's lock, in %v; reaches the processes that close-gently does", h.Sent().Longest.Round(time.Microsecond))}
}

// patiently tries again what was skipped, as it is if the host has no CPU to spare
// at that moment.
func patiently(try func() Outcome) (out Outcome) {
	for range 10 {
		if out = try(); out.Reason != Busy {
			break
		}
	}
	return out
}

// nextByte is the sequence number of the next byte of a connection of this process.
func (h *Hands) nextByte(t Target) (uint32, error) {
	l, there, err := h.reach.Look(t.Socket)
	if err == nil && !there {
		err = errors.New("this process's own connection is not found")
	}
	return uint32(l.Sent), err
}

// stun has a request sent between two sockets of this process.
func (h *Hands) stun() bpf.Feature {
	const name = "keepalive-stun"
	if err := h.ask(); err != nil {
		return lacking(name, err, "give viaduct CAP_SYS_PTRACE and let userfaultfd(2), pidfd_open(2) and pidfd_getfd(2) pass")
	}
	return bpf.Feature{Name: name, State: bpf.There, Why: "sent from a program's own socket; reaches the processes that close-gently does"}
}

func (h *Hands) ask() error {
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("bind over loopback: %w", err)
	}
	defer peer.Close()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("bind over loopback: %w", err)
	}
	defer socket.Close()
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	t := Target{
		PID:   uint32(os.Getpid()),
		Local: netip.MustParseAddrPort(socket.LocalAddr().String()), Remote: netip.MustParseAddrPort(peer.LocalAddr().String()),
	}
	controlled := raw.Control(func(fd uintptr) {
		t.Socket, err = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_COOKIE)
	})
	if err := errors.Join(controlled, err); err != nil {
		return err
	}
	// A Binding request without attributes (RFC 8489 section 5).
	packet := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, "viaduct test"...)
	if out := patiently(func() Outcome { return h.Binding(t, packet, false) }); out.Result != Done {
		return out.Err
	}
	peer.SetReadDeadline(time.Now().Add(time.Second))
	_, from, err := peer.ReadFromUDPAddrPort(make([]byte, 100))
	if err == nil && from != t.Local {
		err = fmt.Errorf("the request came from %s, not from %s", from, t.Local)
	}
	return err
}
