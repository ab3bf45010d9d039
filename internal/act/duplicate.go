// SPDX-License-Identifier: Apache-2.0

package act

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

// duplicate is a descriptor of ours for somebody else's socket. Flags that are
// set on it are set for the owner: none ever is.
type duplicate struct{ fd int }

// take duplicates the socket of t out of one of its holders. Without a
// duplicate, the outcome says why; with one, the caller must call h.drop.
func (h *Hands) take(t Target, m Means, holders []reach.Holder) (*duplicate, Outcome) {
	if err := h.marks.Holding(t.Socket); err != nil {
		return nil, failed(m, "%w", err)
	}
	var refused error
	for _, holder := range firstOf(t.PID, holders) {
		fd, err := duplicateOf(t.Socket, holder)
		if err == nil {
			return &duplicate{fd}, Outcome{}
		}
		if !errors.Is(err, errElsewhere) {
			refused = err
		}
	}
	h.marks.Holding(0)
	switch {
	case errors.Is(refused, unix.EPERM), errors.Is(refused, unix.ENOSYS):
		return nil, failed(m, "%s: %w; %s", t, refused, toReach)
	case refused != nil:
		return nil, failed(m, "%s: %w", t, refused)
	}
	return nil, h.nobody(t, m)
}

// drop closes a duplicate. If the owner has closed the socket meanwhile, this
// is what ends the connection, and still the owner's doing.
func (h *Hands) drop(d *duplicate) {
	unix.Close(d.fd)
	h.marks.Holding(0)
}

// nobody is the outcome where no process was found to hold the socket.
func (h *Hands) nobody(t Target, m Means) Outcome {
	if !h.all {
		return failed(m, "%s: none of the processes that viaduct sees holds it; run it in the host's pid namespace (hostPID: true)", t)
	}
	return skipped(m, Gone, "%s: no process holds it", t)
}

func firstOf(pid uint32, holders []reach.Holder) []reach.Holder {
	sorted := slices.Clone(holders)
	slices.SortStableFunc(sorted, func(a, b reach.Holder) int {
		switch {
		case a.PID == pid && b.PID != pid:
			return -1
		case b.PID == pid && a.PID != pid:
			return 1
		}
		return 0
	})
	return sorted
}

// errElsewhere: the process is gone, or its descriptor is another file by now.
var errElsewhere = errors.New("not there any more")

func duplicateOf(socket uint64, holder reach.Holder) (int, error) {
	process, err := openProcess(holder.PID)
	if err != nil {
		return -1, err
	}
	defer unix.Close(process)
	return duplicateFrom(process, socket, holder)
}

// duplicateFrom takes the descriptor out of a process that is open, and proves
// that it is the socket's.
func duplicateFrom(process int, socket uint64, holder reach.Holder) (int, error) {
	fd, err := unix.PidfdGetfd(process, holder.FD, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EBADF) {
		return -1, errElsewhere
	}
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor %d of process %d: %w", holder.FD, holder.PID, err)
	}
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil || cookie != socket { // an error: it is no socket
		unix.Close(fd)
		return -1, errElsewhere
	}
	return fd, nil
}

// look is reach's, from outside the kernel.
func (d *duplicate) look() (reach.Look, error) {
	info, err := unix.GetsockoptTCPInfo(d.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return reach.Look{}, fmt.Errorf("read TCP_INFO: %w", err)
	}
	l := reach.Look{State: info.State, Received: info.Bytes_received, Sent: info.Bytes_sent}
	if l.State != stateEstablished {
		return l, nil
	}
	if l.Queued, err = unix.IoctlGetInt(d.fd, unix.SIOCOUTQ); err != nil {
		return l, fmt.Errorf("read how much is queued: %w", err)
	}
	if l.Unread, err = unix.IoctlGetInt(d.fd, unix.SIOCINQ); err != nil {
		return l, fmt.Errorf("read how much is unread: %w", err)
	}
	if l.Local, err = addressOf(unix.Getsockname(d.fd)); err != nil {
		return l, fmt.Errorf("read the local address: %w", err)
	}
	l.Remote, err = addressOf(unix.Getpeername(d.fd))
	if errors.Is(err, unix.ENOTCONN) { // at this moment
		return reach.Look{State: stateClose}, nil
	}
	if err != nil {
		return l, fmt.Errorf("read the remote address: %w", err)
	}
	return l, nil
}

func addressOf(sa unix.Sockaddr, err error) (netip.AddrPort, error) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), err
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)), err
	}
	return netip.AddrPort{}, err
}
