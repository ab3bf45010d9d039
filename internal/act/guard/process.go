// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/bpf/reach"
)

// processName is the name by which the process is called.
const processName = "viaduct-keepalives"

// Its arguments.
const (
	withOwn    = "own"        // there is a table of own bytes
	unanswered = "unanswered" // for tests: as if the thread that answers got no CPU
)

// The descriptors that the process is started with.
const (
	fdRequests = 3 + iota
	fdStanding // the program that says how a socket stands
	fdOwn      // the table of own bytes, if there is one
)

func init() {
	if len(os.Args) > 0 && os.Args[0] == processName {
		serve(slices.Contains(os.Args, withOwn), slices.Contains(os.Args, unanswered))
	}
}

// process is what the two threads share. After its start nothing is allocated,
// and no thread ever waits for Go's runtime.
type process struct {
	pages     faultPages
	deadlines [2]int32 // they take turns as the pages do
	own       bool     // there is a table of own bytes

	request request
	socket  int

	writer   atomic.Int32  // the thread whose fault is awaited; 0: none
	answered bool          // this write is; of the answering thread, while one is awaited
	standing atomic.Uint32 // what was found in the fault

	// Memory that the kernel reads and writes; here, so that it is no garbage.
	stand   [2]stand // each thread has its own
	run     [2]runProgram
	update  updateElement
	key     uint32
	mark    [2]uint32
	header  unix.Msghdr
	vector  unix.Iovec
	deliver unix.Msghdr
	room    unix.Iovec
	rights  [32]byte // a struct cmsghdr with one descriptor
}

const (
	writing = iota // indexes of the threads
	answering
)

func serve(own, silent bool) {
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(4) // each thread keeps one
	p := &process{own: own}
	p.settle()
	errno := p.pages.open()
	for i := range p.deadlines {
		if errno == 0 {
			p.deadlines[i], errno = newDeadline()
		}
	}
	p.reply(result{errno: uint32(errno)})
	if errno != 0 {
		os.Exit(0)
	}
	if !silent {
		go p.answer()
	}
	for p.receive() {
		r := p.write()
		unix.RawSyscall(unix.SYS_CLOSE, uintptr(p.socket), 0, 0)
		p.reply(r)
	}
	os.Exit(0)
}

// receive waits for a request; false if there will be none any more.
func (p *process) receive() bool {
	for {
		p.room = unix.Iovec{Base: (*byte)(unsafe.Pointer(&p.request))}
		p.room.SetLen(int(unsafe.Sizeof(p.request)))
		p.deliver = unix.Msghdr{Iov: &p.room, Control: &p.rights[0]}
		p.deliver.SetIovlen(1)
		p.deliver.SetControllen(len(p.rights))
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fdRequests, uintptr(unsafe.Pointer(&p.deliver)), unix.MSG_CMSG_CLOEXEC)
		if errno == unix.EINTR {
			continue
		}
		head := (*unix.Cmsghdr)(unsafe.Pointer(&p.rights[0]))
		if errno != 0 || n != unsafe.Sizeof(p.request) || p.deliver.Controllen < unix.SizeofCmsghdr+4 || head.Type != unix.SCM_RIGHTS {
			return false
		}
		p.socket = int(*(*int32)(unsafe.Pointer(&p.rights[unix.SizeofCmsghdr])))
		return int(p.request.data)+int(p.request.control)+int(p.request.name) <= bytesMax && p.request.data > 0
	}
}

func (p *process) reply(r result) {
	unix.RawSyscall(unix.SYS_WRITE, fdRequests, uintptr(unsafe.Pointer(&r)), unsafe.Sizeof(r))
}

// write looks first without troubling the socket.
func (p *process) write() result {
	before := p.ask(writing, false)
	if before != reach.Ready {
		return result{errno: uint32(unix.EFAULT), standing: uint32(before)}
	}
	if errno := p.pages.turn(); errno != 0 {
		return result{errno: uint32(errno)}
	}
	r := &p.request
	copy(p.pages.bytes, r.bytes[:r.data])
	p.vector = unix.Iovec{Base: &p.pages.page()[0]}
	p.vector.SetLen(int(r.data))
	p.header = unix.Msghdr{Iov: &p.vector}
	p.header.SetIovlen(1)
	if r.control > 0 {
		p.header.Control = &r.bytes[r.data]
		p.header.SetControllen(int(r.control))
	}
	if r.name > 0 {
		p.header.Name = &r.bytes[r.data+r.control]
		p.header.Namelen = uint32(r.name)
	}
	p.standing.Store(uint32(reach.Ready))
	p.answered = false
	p.writer.Store(int32(unix.Gettid()))
	setDeadline(p.deadline(), Patience)
	start := time.Now()
	_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(p.socket), uintptr(unsafe.Pointer(&p.header)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	held := time.Since(start)
	setDeadline(p.deadline(), 0) // it may never have come to a fault
	p.writer.Store(0)
	if errno != 0 && p.own && r.stream != 0 {
		p.claim(0)
	}
	return result{errno: uint32(errno), standing: p.standing.Load(), held: held.Nanoseconds()}
}

// answer answers the faults of the thread that writes, and nobody else's: a
// debugger that looks at the page waits until it gives up.
//
// A write is answered once. Its fault may be reported again, while the answer is
// on its way; then the report may be read when the next write has begun, and is
// told by its address: writes take turns with the pages.
func (p *process) answer() {
	p.settle()
	for {
		f, errno := p.pages.next()
		if errno != 0 || f.thread != p.writer.Load() || f.address != address(p.pages.page()) || p.answered {
			continue
		}
		p.answered = true
		now := p.ask(answering, p.request.stream != 0)
		if now == reach.Ready && p.own && p.request.stream != 0 {
			p.claim(uint32(p.request.data))
		}
		p.standing.Store(uint32(now))
		deadline := p.deadline()
		if now != reach.Ready || p.pages.bring() != 0 {
			p.pages.deny()
		}
		setDeadline(deadline, 0) // nobody waits for this process any more
	}
}

// settle makes this goroutine's thread one that only the kernel's scheduler and
// SIGKILL have to do with: signals would wake it in the middle of a fault.
func (p *process) settle() {
	runtime.LockOSThread()
	all := unix.Sigset_t{}
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil) // fails for no set of signals
	hurry()
}

func (p *process) deadline() int32 { return p.deadlines[p.pages.turns%len(p.deadlines)] }

// ask runs the program; one that does not run stands for a socket that cannot be
// written to.
func (p *process) ask(thread int, locked bool) reach.Standing {
	s, run := &p.stand[thread], &p.run[thread]
	*s = stand{cookie: p.request.cookie, fd: uint32(p.socket), at: p.request.at}
	if locked {
		s.locked = 1
	}
	*run = runProgram{program: fdStanding, contextIn: uint32(unsafe.Sizeof(*s)), contextAt: uint64(uintptr(unsafe.Pointer(s)))}
	if errno := bpfCall(unix.BPF_PROG_TEST_RUN, unsafe.Pointer(run), unsafe.Sizeof(*run)); errno != 0 {
		return reach.Other
	}
	return reach.Standing(run.answer)
}

// claim marks the next bytes of the stream as viaduct's; 0: none.
func (p *process) claim(length uint32) {
	p.key, p.mark = uint32(p.socket), [2]uint32{p.request.at, length}
	p.update = updateElement{table: fdOwn, key: uint64(uintptr(unsafe.Pointer(&p.key))), value: uint64(uintptr(unsafe.Pointer(&p.mark)))}
	bpfCall(unix.BPF_MAP_UPDATE_ELEM, unsafe.Pointer(&p.update), unsafe.Sizeof(p.update))
}
