// SPDX-License-Identifier: Apache-2.0

package act

import (
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// diagDestroy asks the kernel over sock_diag(7) to end a socket of this network
// namespace that has these addresses and this cookie.
func diagDestroy(t Target) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, destroyRequest(t), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask sock_diag: %w", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return fmt.Errorf("read sock_diag's answer: %w", err)
	}
	return destroyAnswer(answer[:n])
}

const (
	diagHeadBytes = 16
	diagBytes     = diagHeadBytes + 56
)

// destroyRequest is a struct nlmsghdr, then a struct inet_diag_req_v2:
//
//	family, protocol, extensions, pad    1 byte each
//	states                               4
//	ports, local and remote              2 each, network order
//	addresses, local and remote          16 each, network order, IPv4 in the first 4
//	interface                            4, 0 for any
//	cookie                               8
func destroyRequest(t Target) []byte {
	b := make([]byte, 0, diagBytes)
	b = binary.NativeEndian.AppendUint32(b, diagBytes)
	b = binary.NativeEndian.AppendUint16(b, unix.SOCK_DESTROY)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = append(b, make([]byte, 8)...) // sequence, port id
	family := byte(unix.AF_INET6)
	if t.Local.Addr().Unmap().Is4() {
		family = unix.AF_INET
	}
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, ^uint32(0))
	b = binary.BigEndian.AppendUint16(b, t.Local.Port())
	b = binary.BigEndian.AppendUint16(b, t.Remote.Port())
	for _, a := range []([]byte){t.Local.Addr().Unmap().AsSlice(), t.Remote.Addr().Unmap().AsSlice()} {
		var wide [16]byte
		copy(wide[:], a)
		b = append(b, wide[:]...)
	}
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(t.Socket))
	return binary.NativeEndian.AppendUint32(b, uint32(t.Socket>>32))
}

// destroyAnswer reads the acknowledgement: a struct nlmsghdr, then an error
// number, negative or 0.
func destroyAnswer(b []byte) error {
	if len(b) < diagHeadBytes+4 || binary.NativeEndian.Uint16(b[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("sock_diag's answer of %d bytes is no acknowledgement: %w", len(b), io.ErrUnexpectedEOF)
	}
	if code := int32(binary.NativeEndian.Uint32(b[diagHeadBytes:])); code != 0 {
		return fmt.Errorf("sock_diag: %w", unix.Errno(-code))
	}
	return nil
}
