// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// As in the kernel's linux/userfaultfd.h. The requests are _IO(0xAA, 0) and
// _IOWR(0xAA, number, size), which come to the same on amd64 and arm64.
const (
	uffdAPI        = 0xAA
	threadID       = 1 << 8 // UFFD_FEATURE_THREAD_ID, since 4.14
	modeMissing    = 1
	eventPagefault = 0x12

	ioctlNew      = 0x0000aa00 // USERFAULTFD_IOC_NEW, of /dev/userfaultfd
	ioctlAPI      = 0xc018aa3f
	ioctlRegister = 0xc020aa00
	ioctlWake     = 0x8010aa02
	ioctlCopy     = 0xc028aa03
)

type (
	apiRequest      struct{ api, features, ioctls uint64 }
	registerRequest struct{ start, length, mode, ioctls uint64 }
	rangeRequest    struct{ start, length uint64 }
	copyRequest     struct {
		to, from, length, mode uint64
		copied                 int64
	}
	// message is a struct uffd_msg, for UFFD_EVENT_PAGEFAULT.
	message struct {
		event   uint8
		_       [7]uint8
		flags   uint64
		address uint64
		thread  int32
		_       int32
	}
)

// faultPages are pages whose first touch waits for somebody to bring or to deny
// them. There are two, so that the next is used while one that was denied or
// brought is known to be done with. Its methods allocate nothing.
type faultPages struct {
	fd    int
	pages [2][]byte // the one that is in turn is not there
	turns int
	bytes []byte // what it is to hold
}

func (p *faultPages) open() unix.Errno {
	p.bytes = make([]byte, os.Getpagesize())
	fd, errno := openUserfaultfd()
	if errno != 0 {
		return errno
	}
	p.fd = fd
	api := apiRequest{api: uffdAPI, features: threadID}
	if errno := ioctl(fd, ioctlAPI, unsafe.Pointer(&api)); errno != 0 {
		return errno
	}
	for i := range p.pages {
		page, err := unix.Mmap(-1, 0, len(p.bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return unix.ENOMEM
		}
		p.pages[i] = page
		r := registerRequest{start: address(page), length: uint64(len(page)), mode: modeMissing}
		if errno := ioctl(fd, ioctlRegister, unsafe.Pointer(&r)); errno != 0 {
			return errno
		}
	}
	return 0
}

func (p *faultPages) page() []byte { return p.pages[p.turns%len(p.pages)] }

// openUserfaultfd tries the system call, and then the device, which is there
// since 6.1 for those who may open it. Its error is the system call's.
func openUserfaultfd() (int, unix.Errno) {
	const flags = unix.O_CLOEXEC
	fd, _, errno := unix.RawSyscall(unix.SYS_USERFAULTFD, flags, 0, 0)
	if errno == 0 {
		return int(fd), 0
	}
	device, err := unix.Open("/dev/userfaultfd", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, errno
	}
	defer unix.Close(device)
	fd, _, again := unix.RawSyscall(unix.SYS_IOCTL, uintptr(device), ioctlNew, flags)
	if again != 0 {
		return -1, errno
	}
	return int(fd), 0
}

// next waits for a fault.
func (p *faultPages) next() (message, unix.Errno) {
	var m message
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(p.fd), uintptr(unsafe.Pointer(&m)), unsafe.Sizeof(m))
	if errno == 0 && (n != unsafe.Sizeof(m) || m.event != eventPagefault) {
		errno = unix.EBADMSG
	}
	return m, errno
}

// bring makes the page present, and lets the fault end.
func (p *faultPages) bring() unix.Errno {
	for {
		c := copyRequest{to: address(p.page()), from: address(p.bytes), length: uint64(len(p.bytes))}
		if errno := ioctl(p.fd, ioctlCopy, unsafe.Pointer(&c)); errno != unix.EAGAIN {
			return errno
		}
	}
}

// deny lets the fault fail. What was waiting when the permissions went is waiting
// still when it is woken.
func (p *faultPages) deny() unix.Errno {
	if errno := p.protect(unix.PROT_NONE); errno != 0 {
		return errno
	}
	r := rangeRequest{start: address(p.page()), length: uint64(len(p.page()))}
	return ioctl(p.fd, ioctlWake, unsafe.Pointer(&r))
}

// turn takes the page whose turn it is now away again, and gives back its
// permissions.
func (p *faultPages) turn() unix.Errno {
	p.turns++
	if _, _, errno := unix.RawSyscall(unix.SYS_MADVISE, uintptr(address(p.page())), uintptr(len(p.page())), unix.MADV_DONTNEED); errno != 0 {
		return errno
	}
	return p.protect(unix.PROT_READ | unix.PROT_WRITE)
}

func (p *faultPages) protect(protection uintptr) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_MPROTECT, uintptr(address(p.page())), uintptr(len(p.page())), protection)
	return errno
}

func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }

func ioctl(fd int, number uintptr, argument unsafe.Pointer) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), number, uintptr(argument))
	return errno
}
