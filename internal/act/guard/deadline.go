// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Patience is how long a write may take, and with it everybody else's wait for
// the socket; then the kernel kills the process that writes. It is long enough for
// a thread to get the CPU on a busy host, nearly always, and too short for any
// timer of SIP or TCP to notice.
const Patience = 10 * time.Millisecond

// newDeadline creates a timer of the kernel that kills this process.
func newDeadline() (int32, unix.Errno) {
	// A struct sigevent; notify 0 is SIGEV_SIGNAL.
	event := struct {
		value          uint64
		signal, notify int32
		_              [48]byte
	}{signal: int32(unix.SIGKILL)}
	var id int32
	_, _, errno := unix.RawSyscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&id)))
	return id, errno
}

// setDeadline makes it d from now; 0: never. It fails for no timer that is there.
func setDeadline(id int32, d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
	unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(id), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}
