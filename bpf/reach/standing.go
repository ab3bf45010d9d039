// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// Standing says whether bytes that are written to a socket now go out at the
// place they are meant for.
type Standing uint32

const (
	Ready    = Standing(programsStandingSTANDING_READY)    // TCP: next, and at once; UDP: as a datagram of their own
	Other    = Standing(programsStandingSTANDING_OTHER)    // the descriptor is another socket's
	State    = Standing(programsStandingSTANDING_STATE)    // TCP: not established
	Layered  = Standing(programsStandingSTANDING_LAYERED)  // TCP: kernel TLS, or the like, is on top
	Unlocked = Standing(programsStandingSTANDING_UNLOCKED) // TCP: nobody has locked the socket
	Moved    = Standing(programsStandingSTANDING_MOVED)    // TCP: the next byte has another sequence number
	Queued   = Standing(programsStandingSTANDING_QUEUED)   // TCP: bytes are not acknowledged; UDP: a datagram is being put together
)

// Standing looks at a socket by a descriptor of this process, without taking the
// socket's lock. With locked the answer holds for as long as the lock is held by
// whom the caller knows to hold it. It may be called beside other methods.
func (r *Reach) Standing(socket uint64, fd int, at uint32, locked bool) (Standing, error) {
	ask := programsStand{Cookie: socket, Fd: uint32(fd), At: at}
	if locked {
		ask.Locked = 1
	}
	answer, err := r.objects.Programs[programsProgReadStanding].Run(&ebpf.RunOptions{Context: &ask})
	if err != nil {
		return Other, fmt.Errorf("ask how socket %d stands: %w", socket, err)
	}
	return Standing(answer), nil
}

// StandingFD is the descriptor of the program behind Standing; it stays r's.
func (r *Reach) StandingFD() int { return r.objects.Programs[programsProgReadStanding].FD() }
