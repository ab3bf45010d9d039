// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"reflect"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// The records are read by casting: Go's idea of them must be the compiler's.
func TestRecordLayout(t *testing.T) {
	spec, err := loadPrograms()
	if err != nil {
		t.Fatal(err)
	}
	var c *btf.Struct
	if err := spec.Types.TypeByName("plain_record", &c); err != nil {
		t.Fatal(err)
	}
	typ := reflect.TypeFor[programsPlainRecord]()
	if uintptr(c.Size) != typ.Size() {
		t.Errorf("%d bytes in C, %d in Go", c.Size, typ.Size())
	}
	fields := reflect.VisibleFields(typ)
	own := fields[:0]
	for _, f := range fields {
		if len(f.Index) == 1 && f.Name != "_" {
			own = append(own, f)
		}
	}
	for i, m := range c.Members {
		if f := own[i]; m.Offset.Bytes() != uint32(f.Offset) {
			t.Errorf("%s: at %d in C, at %d in Go", m.Name, m.Offset.Bytes(), f.Offset)
		}
	}
}

// Kernels since 6.13 give a program with a larger stack one for each CPU, which
// another task may write to while a program on an uprobe is preempted.
const privateStack = 64

func TestStacksAreSmall(t *testing.T) {
	spec, err := loadPrograms()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range spec.Programs {
		if program.Type != ebpf.Kprobe {
			continue
		}
		for name, depth := range depths(program.Instructions) {
			if depth >= privateStack {
				t.Errorf("%s uses %d bytes of stack, want less than %d: see include/plain_emit.h", name, depth, privateStack)
			}
		}
	}
}

// depths returns the stack that each function of a program uses, in bytes.
func depths(instructions asm.Instructions) map[string]int {
	all, name := make(map[string]int), ""
	for i := range instructions {
		instruction := &instructions[i]
		if f := btf.FuncMetadata(instruction); f != nil {
			name = f.Name
			all[name] = 0
		}
		switch {
		case instruction.Dst == asm.RFP || instruction.Src == asm.RFP:
			all[name] = max(all[name], -int(instruction.Offset))
		case instruction.OpCode.ALUOp() == asm.Add && instruction.OpCode.Source() == asm.ImmSource && instruction.Constant < 0 && instruction.Constant > -512:
			all[name] = max(all[name], -int(instruction.Constant)) // an address in the frame
		}
	}
	return all
}
