// SPDX-License-Identifier: Apache-2.0

// Package cfunc finds out where in the code of a C function probes are cheap.
//
// A probe costs one trap where the kernel can emulate the instruction that it
// replaces, as calls and jumps; elsewhere the instruction is stepped, and the
// second trap is the dear one, above all on virtual machines. Functions of OpenSSL
// begin with one that has to be stepped, but many of them are no more than a
// call of another function between two checks:
//
//	sub    $0x18,%rsp
//	...               the canary is laid out
//	test   %edx,%edx
//	js     error
//	...
//	call   worker     with the first arguments as they came
//	...
//	sub    %fs:0x28,%rdx
//	jne    smashed    with the result in eax
//	add    $0x18,%rsp
//	...
//	ret
//
// In these the call is as good as the function's entry, and the jump as its return,
// which then needs no return probe either.
package cfunc

import (
	"debug/elf"

	"golang.org/x/arch/x86/x86asm"
)

// Stepless returns where in the code of a function these two are. ok is false
// unless all of it is as above: then it has to be probed where it begins.
func Stepless(machine elf.Machine, code []byte) (call, end uint64, ok bool) {
	if machine != elf.EM_X86_64 {
		return 0, 0, false
	}
	all, ok := decode(code)
	if !ok {
		return 0, 0, false
	}
	at := untilCall(all)
	if at < 0 {
		return 0, 0, false
	}
	check := untilCheck(all[at+1:])
	if check < 0 || !returnsAfter(all[at+1+check+1:]) || !oneExit(all, uint64(len(code))) {
		return 0, 0, false
	}
	return all[at].offset, all[at+1+check].offset, true
}

type instruction struct {
	x86asm.Inst
	offset uint64
}

func decode(code []byte) (all []instruction, ok bool) {
	for at := 0; at < len(code); {
		i, err := x86asm.Decode(code[at:], 64)
		if endsBranch(code[at:]) { // which the decoder does not know
			i, err = x86asm.Inst{Op: x86asm.NOP, Len: 4}, nil
		}
		if err != nil {
			return nil, false
		}
		all = append(all, instruction{i, uint64(at)})
		at += i.Len
	}
	return all, true
}

// endsBranch says whether code begins with endbr64.
func endsBranch(code []byte) bool {
	return len(code) >= 4 && [4]byte(code) == [4]byte{0xf3, 0x0f, 0x1e, 0xfa}
}

// untilCall returns the index of the first call, before which nothing jumps back
// or away for good, and the first two arguments stay where they are; the third
// may be made longer.
func untilCall(all []instruction) int {
	for n, i := range all {
		switch {
		case i.Op == x86asm.CALL:
			if !jumps(i) || i.Len != 5 { // by a pointer; with prefixes that it does not need
				return -1
			}
			return n
		case !plain(i) || jumps(i) && !forward(i):
			return -1
		case i.Op == x86asm.TEST || i.Op == x86asm.CMP || jumps(i):
		case lengthens(i):
		case touches(i, x86asm.RDI, x86asm.RSI, x86asm.RDX):
			return -1
		}
	}
	return -1
}

// untilCheck returns the index of the jump behind the canary's comparison.
func untilCheck(all []instruction) int {
	for n, i := range all {
		switch {
		case !plain(i) || i.Op == x86asm.PUSH || i.Op == x86asm.POP || touches(i, x86asm.RSP):
			return -1
		case i.Op == x86asm.JNE && n > 0 && comparesCanary(all[n-1]) && (i.Len == 2 || i.Len == 6):
			return n
		case jumps(i) && !forward(i):
			return -1
		}
	}
	return -1
}

// returnsAfter says whether a return follows, and the result stays as it is.
func returnsAfter(all []instruction) bool {
	for _, i := range all {
		switch {
		case i.Op == x86asm.RET:
			return true
		case !plain(i) || jumps(i) || touches(i, x86asm.RAX):
			return false
		}
	}
	return false
}

// oneExit says whether the function is left by its one return only.
func oneExit(all []instruction, size uint64) bool {
	returns := 0
	for _, i := range all {
		target, relative := i.Args[0].(x86asm.Rel)
		switch {
		case i.Op == x86asm.RET:
			returns++
		case i.Op == x86asm.JMP && !relative:
			return false // to who knows where
		case relative && i.Op != x86asm.CALL && uint64(int64(i.offset)+int64(i.Len)+int64(target)) >= size:
			return false
		}
	}
	return returns == 1
}

// jumps is true for calls, too.
func jumps(i instruction) bool {
	_, ok := i.Args[0].(x86asm.Rel)
	return ok
}

func forward(i instruction) bool {
	target, ok := i.Args[0].(x86asm.Rel)
	return ok && target > 0
}

// lengthens says whether the third argument, an int, is made 64 bits long.
func lengthens(i instruction) bool {
	from, ok := i.Args[1].(x86asm.Reg)
	to, _ := i.Args[0].(x86asm.Reg)
	return ok && from == x86asm.EDX && (i.Op == x86asm.MOVSXD && to == x86asm.RDX || i.Op == x86asm.MOV && to == x86asm.EDX)
}

func comparesCanary(i instruction) bool {
	m, ok := i.Args[1].(x86asm.Mem)
	return ok && m.Segment == x86asm.FS && m.Disp == 0x28 && (i.Op == x86asm.SUB || i.Op == x86asm.XOR || i.Op == x86asm.CMP)
}

// touches says whether an instruction that is plain writes one of the registers,
// in whatever part.
func touches(i instruction, registers ...x86asm.Reg) bool {
	to, ok := i.Args[0].(x86asm.Reg)
	if !ok {
		return false
	}
	for _, r := range registers {
		n := r - x86asm.RAX
		if to == x86asm.RAX+n || to == x86asm.EAX+n || to == x86asm.AX+n || to >= x86asm.AL && to < x86asm.AX {
			return true
		}
	}
	return false
}

// plain says whether all that an instruction writes is its first argument, the
// stack pointer if it is about the stack, and flags.
func plain(i instruction) bool {
	switch i.Op {
	case x86asm.MOV, x86asm.MOVSXD, x86asm.LEA, x86asm.SUB, x86asm.ADD, x86asm.XOR, x86asm.TEST, x86asm.CMP, x86asm.PUSH, x86asm.POP, x86asm.NOP,
		x86asm.CMOVG, x86asm.CMOVGE, x86asm.CMOVL, x86asm.CMOVLE, x86asm.CMOVE, x86asm.CMOVNE, x86asm.CMOVS, x86asm.CMOVNS,
		x86asm.JS, x86asm.JNS, x86asm.JE, x86asm.JNE, x86asm.JL, x86asm.JLE, x86asm.JG, x86asm.JGE:
		return true
	}
	return false
}
