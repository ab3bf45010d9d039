// SPDX-License-Identifier: Apache-2.0

package act

import (
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

// Target is a socket as the caller knows it: of TCP, or a flow of one of UDP.
type Target struct {
	Socket uint64 // cookie
	NetNS  uint64 // cookie of its network namespace; 0: not known
	PID    uint32 // who must still hold it to be closed, in the first pid namespace; 0: anybody
	Local  netip.AddrPort
	Remote netip.AddrPort
}

func (t Target) String() string {
	return fmt.Sprintf("socket %d (%s to %s)", t.Socket, t.Local, t.Remote)
}

// Marks tell an observer of sockets what this process is doing: what it does on
// a socket of which it holds a duplicate is not the owner's doing, and the end
// of one that it is ending is its own. 0 stands for no socket.
type Marks interface {
	Holding(socket uint64) error
	Ending(socket uint64) error
	// Writing is Holding for the socket that a keep-alive is sent on by a lane, below
	// [Lanes], beside others that are held.
	Writing(lane int, socket uint64) error
	// OwnBytes is the descriptor of the table into which the keep-alives that are
	// written to streams are put, or negative; see [guard.New].
	OwnBytes() int
	// Asking announces a STUN request that is about to be sent.
	Asking(transaction [12]byte, socket uint64, local, remote netip.AddrPort, swallow bool) error
}

// Hands act on sockets. Their methods may be called from any goroutine; they act
// on one socket after the other. Keep-alives do not wait for other actions, and as
// many as [Lanes] are sent side by side.
type Hands struct {
	mu    sync.Mutex
	reach *reach.Reach
	marks Marks
	netns uint64 // of this process
	all   bool   // this process sees the processes of the whole host
	sends sender
}

// New loads what the hands need. The caller must call Release when done; marks may
// be nil where nobody observes.
func New(marks Marks) (*Hands, error) {
	netns, err := ownNetNS()
	if err != nil {
		return nil, err
	}
	r, err := reach.Load()
	if err != nil {
		return nil, err
	}
	if marks == nil {
		marks = unseen{}
	}
	h := &Hands{reach: r, marks: marks, netns: netns, all: seesAllProcesses()}
	h.sends.holders.list = r.Everybody
	for i := range h.sends.lanes {
		h.sends.lanes[i].number = i
	}
	return h, nil
}

// Release unloads what New has loaded. Nothing that was done is undone.
func (h *Hands) Release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sends.release()
	h.reach.Close()
}

type unseen struct{}

func (unseen) Holding(uint64) error      { return nil }
func (unseen) Ending(uint64) error       { return nil }
func (unseen) Writing(int, uint64) error { return nil }
func (unseen) OwnBytes() int             { return -1 }

func (unseen) Asking([12]byte, uint64, netip.AddrPort, netip.AddrPort, bool) error { return nil }

func ownNetNS() (uint64, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0, fmt.Errorf("ask for this process's network namespace: %w", err)
	}
	return cookie, nil
}

// The first pid namespace has an inode number of its own (PROC_PID_INIT_INO).
func seesAllProcesses() bool {
	ns, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && ns == "pid:[4026531836]"
}
