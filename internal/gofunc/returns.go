// SPDX-License-Identifier: Apache-2.0

package gofunc

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/arch/x86/x86asm"
)

var errNoReturn = errors.New("no return among its instructions")

// returns finds the return instructions in the code of one function. Go keeps no
// data between instructions, so decoding from the beginning meets each of them.
func returns(machine elf.Machine, code []byte) (offsets []uint64, err error) {
	switch machine {
	case elf.EM_X86_64:
		offsets, err = returnsAMD64(code)
	case elf.EM_AARCH64:
		offsets = returnsARM64(code)
	default:
		return nil, fmt.Errorf("code for %v is not understood", machine)
	}
	if err == nil && len(offsets) == 0 {
		err = errNoReturn
	}
	return offsets, err
}

func returnsAMD64(code []byte) (offsets []uint64, err error) {
	for at := 0; at < len(code); {
		i, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			return nil, fmt.Errorf("the instruction %d bytes behind its beginning: %w", at, err)
		}
		if i.Op == x86asm.RET {
			offsets = append(offsets, uint64(at))
		}
		at += i.Len
	}
	return offsets, nil
}

func returnsARM64(code []byte) (offsets []uint64) {
	const ret = 0xd65f03c0 // by the link register
	for at := 0; at+4 <= len(code); at += 4 {
		if binary.LittleEndian.Uint32(code[at:]) == ret {
			offsets = append(offsets, uint64(at))
		}
	}
	return offsets
}
