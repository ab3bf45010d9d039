// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

// startPatience and answerPatience are how long this process waits for the other one, which may have
// been stopped while it had no socket locked.
const (
	startPatience  = 5 * time.Second
	answerPatience = 250 * time.Millisecond
)

// ErrLate: the write took longer than [Patience], and the process was killed. As a
// rule nothing was written, but that is not known for sure.
var ErrLate = errors.New("the socket could not be had in time")

// Write is one write to a socket.
type Write struct {
	Socket  uint64 // its cookie
	FD      int    // a duplicate; it stays the caller's
	Stream  bool   // TCP
	At      uint32 // TCP: the sequence number that the first byte must get
	Data    []byte
	Name    []byte // UDP: where to, a struct sockaddr; nil on a connected socket
	Control []byte // UDP: control messages
}

// Writer has writes done. Its methods may be called from any goroutine; one write
// is done after the other.
type Writer struct {
	mu       sync.Mutex
	standing *os.File
	own      *os.File // nil: none
	process  *exec.Cmd
	requests int // a socket to the process
	started  uint64
	more     []string // arguments, of tests
}

// New starts the process. standing is the descriptor of reach's program that says
// how a socket stands, own that of the table of own bytes, or negative; both stay
// the caller's. The caller must call Close.
func New(standing, own int) (*Writer, error) {
	w := &Writer{requests: -1}
	var err error
	if w.standing, err = duplicate(standing); err != nil {
		return nil, err
	}
	if own >= 0 {
		if w.own, err = duplicate(own); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	if err := w.start(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func duplicate(fd int) (*os.File, error) {
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate a BPF descriptor: %w", err)
	}
	return os.NewFile(uintptr(copied), "bpf"), nil
}

func (w *Writer) start() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make a pair of sockets: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "requests")
	w.process = exec.Command("/proc/self/exe")
	w.process.Args = append([]string{processName}, w.more...)
	w.process.ExtraFiles = []*os.File{theirs, w.standing}
	if w.own != nil {
		w.process.Args = append(w.process.Args, withOwn)
		w.process.ExtraFiles = append(w.process.ExtraFiles, w.own)
	}
	w.process.Stderr = os.Stderr
	err = w.process.Start()
	theirs.Close() // so that its end is heard of
	if err != nil {
		w.process = nil
		return errors.Join(fmt.Errorf("start the process that writes keep-alives: %w", err), unix.Close(pair[0]))
	}
	w.requests = pair[0]
	w.started++
	err = w.wait(startPatience)
	var ready result
	if err == nil {
		ready, err = w.receive()
	}
	if err == nil {
		err = w.wait(answerPatience)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start the process that writes keep-alives: %w", err), w.end())
	}
	if ready.errno != 0 {
		return errors.Join(fmt.Errorf("open a userfaultfd for faults of the kernel: %w; give viaduct CAP_SYS_PTRACE, a kernel with CONFIG_USERFAULTFD, and a seccomp profile that lets userfaultfd(2) pass", unix.Errno(ready.errno)), w.end())
	}
	return nil
}

// wait sets how long receive waits.
func (w *Writer) wait(d time.Duration) error {
	timeout := unix.NsecToTimeval(d.Nanoseconds())
	return unix.SetsockoptTimeval(w.requests, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
}

// end makes the process end, if it has not yet. Nobody waits for that.
func (w *Writer) end() error {
	if w.process == nil {
		return nil
	}
	err := unix.Close(w.requests)
	w.process.Process.Kill()
	go w.process.Wait() // says that it was killed
	w.process, w.requests = nil, -1
	return err
}

// Close ends the process.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.end()
	if w.own != nil {
		err = errors.Join(err, w.own.Close())
	}
	return errors.Join(err, w.standing.Close())
}

// Do does one write, if the socket is Ready, and returns how it stood: if it was
// not Ready, nothing was written. held is how long the write took: the socket was
// locked for no longer.
func (w *Writer) Do(o Write) (standing reach.Standing, held time.Duration, err error) {
	if len(o.Data) == 0 || len(o.Data)+len(o.Control)+len(o.Name) > bytesMax {
		return reach.Other, 0, fmt.Errorf("write %d bytes: %w", len(o.Data), unix.EMSGSIZE)
	}
	r := request{
		cookie: o.Socket, at: o.At,
		data: uint16(len(o.Data)), control: uint16(len(o.Control)), name: uint16(len(o.Name)),
	}
	if o.Stream {
		r.stream = 1
	}
	n := copy(r.bytes[:], o.Data)
	n += copy(r.bytes[n:], o.Control)
	copy(r.bytes[n:], o.Name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.process == nil {
		if err := w.start(); err != nil {
			return reach.Other, 0, err
		}
	}
	answer, err := w.exchange(&r, o.FD)
	if err != nil {
		return reach.Other, 0, errors.Join(ErrLate, err, w.end())
	}
	standing, held = reach.Standing(answer.standing), time.Duration(answer.held)
	if answer.errno != 0 && (standing == reach.Ready || unix.Errno(answer.errno) != unix.EFAULT) {
		err = unix.Errno(answer.errno)
	}
	return standing, held, err
}

func (w *Writer) exchange(r *request, fd int) (result, error) {
	if err := unix.Sendmsg(w.requests, bytesOf(r), unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL); err != nil {
		return result{}, fmt.Errorf("hand over a socket: %w", err)
	}
	return w.receive()
}

func (w *Writer) receive() (result, error) {
	var r result
	for {
		n, err := unix.Read(w.requests, bytesOf(&r))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return r, fmt.Errorf("hear from the process that writes keep-alives: %w", err)
		case n != int(unsafe.Sizeof(r)):
			return r, errors.New("the process that writes keep-alives has ended")
		default:
			return r, nil
		}
	}
}

// Started says how often the process was started.
func (w *Writer) Started() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.started
}
