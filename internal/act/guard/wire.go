// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// request is one packet to the process, with the socket's descriptor.
type request struct {
	cookie  uint64
	at      uint32
	data    uint16 // lengths
	control uint16
	name    uint16
	stream  uint16
	bytes   [bytesMax]byte // the three, one after the other
}

// bytesMax holds a STUN request with the attributes it may have, an address and
// the source address it is to be sent from.
const bytesMax = 1024

// result is one packet back. The first comes before any request: whether the
// process is ready.
type result struct {
	errno    uint32
	standing uint32
	held     int64 // nanoseconds from the start of the write to its end
}

func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// stand is what the program in bpf/reach is asked: struct stand.
type stand struct {
	cookie uint64
	fd     uint32
	at     uint32
	locked uint32
	_      uint32
}

// runProgram is the part of union bpf_attr that BPF_PROG_RUN reads for programs
// of type syscall.
type runProgram struct {
	program, answer        uint32
	dataIn, dataOut        uint32
	dataInAt, dataOutAt    uint64
	repeat, duration       uint32
	contextIn, contextOut  uint32
	contextAt, contextBack uint64
	flags, cpu, batch, _   uint32
}

// updateElement is the same for BPF_MAP_UPDATE_ELEM.
type updateElement struct {
	table, _          uint32
	key, value, flags uint64
}

func bpfCall(command uintptr, attr unsafe.Pointer, size uintptr) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_BPF, command, uintptr(attr), size)
	return errno
}
