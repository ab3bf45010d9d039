// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Holder is an open file of a process: the number is good for that process only.
type Holder struct {
	PID uint32
	FD  int
}

// targetsMax is how many sockets one pass can be about.
const targetsMax = 65536

// Holders returns who holds each of these sockets, in every network namespace.
// One that nobody holds is missing.
func (r *Reach) Holders(sockets ...uint64) (map[uint64][]Holder, error) {
	all := make(map[uint64][]Holder, len(sockets))
	for some := range slices.Chunk(sockets, targetsMax) {
		found, err := about[programsHolder](r, programsProgFindHolders, some)
		if err != nil {
			return nil, fmt.Errorf("look for who holds %d sockets: %w", len(some), err)
		}
		for _, h := range found {
			all[h.Cookie] = append(all[h.Cookie], Holder{PID: h.Pid, FD: int(h.Fd)})
		}
	}
	return all, nil
}

// Look is a socket at one moment.
type Look struct {
	Local, Remote netip.AddrPort
	State         uint8 // as in /proc/net/tcp: 1 is ESTABLISHED
	Queued        int   // bytes written that the peer has not acknowledged
	Unread        int   // bytes received that the process has not read
	// Received and Sent change with each byte, and say nothing else.
	Received, Sent uint64
}

func lookOf(l *programsLook) Look {
	return Look{
		Local:  netip.AddrPortFrom(netip.AddrFrom16(l.Local).Unmap(), l.LocalPort),
		Remote: netip.AddrPortFrom(netip.AddrFrom16(l.Remote).Unmap(), l.RemotePort),
		State:  l.State,
		Queued: int(l.QueuedBytes), Unread: int(l.UnreadBytes),
		Received: l.Moved.Received, Sent: l.Moved.Sent,
	}
}

// Look returns how a socket of this network namespace is, and whether it is there.
// One that no process has any more is not.
func (r *Reach) Look(socket uint64) (Look, bool, error) {
	looks, err := about[programsLook](r, programsProgLookAtSocket, []uint64{socket})
	if err != nil {
		return Look{}, false, fmt.Errorf("look at socket %d: %w", socket, err)
	}
	if len(looks) == 0 {
		return Look{}, false, nil
	}
	return lookOf(&looks[0]), true, nil
}

// Destroy ends a socket of this network namespace at once: the peer gets a reset,
// the process ECONNABORTED. Not if it is gone (false), if bytes have moved since
// before (EBUSY), or if it is being closed already (EBADFD); both
// are checked under the socket's lock. It returns how the socket was.
func (r *Reach) Destroy(socket uint64, before Look) (Look, bool, error) {
	if r.destroyErr != nil {
		return Look{}, false, r.destroyErr
	}
	clear, err := aim(r.objects.Maps[programsMapTargets], []uint64{socket},
		func(uint64) programsMoved { return programsMoved{Received: before.Received, Sent: before.Sent} })
	if err != nil {
		return Look{}, false, err
	}
	looks, err := pass[programsLook](r.destroyer.Programs[programsProgDestroySocket])
	if cleared := clear(); err == nil {
		err = cleared
	}
	switch {
	case err != nil:
		return Look{}, false, fmt.Errorf("destroy socket %d: %w", socket, err)
	case len(looks) == 0:
		return Look{}, false, nil
	case looks[0].Result != 0:
		return lookOf(&looks[0]), true, fmt.Errorf("destroy socket %d: %w", socket, unix.Errno(-looks[0].Result))
	}
	return lookOf(&looks[0]), true, nil
}

func about[T any](r *Reach, program string, sockets []uint64) ([]T, error) {
	clear, err := aim(r.objects.Maps[programsMapTargets], sockets, func(uint64) (none programsMoved) { return none })
	if err != nil {
		return nil, err
	}
	found, err := pass[T](r.objects.Programs[program])
	if cleared := clear(); err == nil {
		err = cleared
	}
	return found, err
}

// Held is a socket and an open file that refers to it.
type Held struct {
	Socket uint64
	Holder
}

// Everybody returns all sockets of TCP and UDP that have a port, in every network
// namespace, with each of their holders. It may be called beside other methods.
func (r *Reach) Everybody() ([]Held, error) {
	found, err := pass[programsHolder](r.objects.Programs[programsProgListHolders])
	if err != nil {
		return nil, fmt.Errorf("list who holds which socket: %w", err)
	}
	all := make([]Held, len(found))
	for i, h := range found {
		all[i] = Held{h.Cookie, Holder{PID: h.Pid, FD: int(h.Fd)}}
	}
	return all, nil
}
