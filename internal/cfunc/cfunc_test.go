// SPDX-License-Identifier: Apache-2.0

package cfunc

import (
	"debug/elf"
	"encoding/hex"
	"strings"
	"testing"
)

// caller is a function that calls a worker, as gcc 12 makes it of C with
// -fstack-protector-strong. Its call is at 29, the check's jump at 55.
var caller = []string{
	"f30f1efa",           // 0: endbr64
	"4883ec18",           // 4: sub $0x18,%rsp
	"64488b042528000000", // 8: mov %fs:0x28,%rax
	"4889442408",         // 17: mov %rax,0x8(%rsp)
	"31c0",               // 22: xor %eax,%eax
	"85d2",               // 24: test %edx,%edx
	"782c",               // 26: js 72
	"90",                 // 28
	"e800010000",         // 29: call
	"85c0",               // 34: test %eax,%eax
	"7e03",               // 36: jle 41
	"8b0424",             // 38: mov (%rsp),%eax
	"488b542408",         // 41: mov 0x8(%rsp),%rdx
	"64482b142528000000", // 46: sub %fs:0x28,%rdx
	"7514",               // 55: jne 77
	"4883c418",           // 57: add $0x18,%rsp
	"31d2",               // 61: xor %edx,%edx
	"c3",                 // 63: ret
	"9090909090909090",   // 64
	"b8ffffffff",         // 72: mov $-1,%eax
	"ebda",               // 77: jmp 41
	"e800010000",         // 79: call
}

// TestStepless: the call and the check's jump are taken for entry and return
// only where nothing could be missed by it.
func TestStepless(t *testing.T) {
	without := func(old, with string) string {
		code := strings.Join(caller, "")
		if !strings.Contains(code, old) {
			t.Fatalf("%s is not in the code", old)
		}
		return strings.Replace(code, old, with, 1)
	}
	for _, tt := range []struct {
		name, code string
		ok         bool
	}{
		{"as it is", strings.Join(caller, ""), true},
		{"the length is made longer", without("31c085d2", "89d285d2"), true},
		{"the session is moved", without("31c085d2", "31ff85d2"), false},
		{"part of the buffer's address is written", without("31c085d2", "31f685d2"), false},
		{"the length is changed", without("31c085d2", "31d285d2"), false},
		{"the buffer is changed before the call by a function pointer's load", without("488944240831c0", "488b77089031c0"), false},
		{"a call by a pointer", without("90e800010000", "ff1500000000"), false},
		{"a jump back", without("782c", "78e0"), false},
		{"no check", without("7514", "9090"), false},
		{"it compares something else", without("64482b142528000000", "64482b142530000000"), false},
		{"a second call before the check", without("488b542408", "e800010000"), false},
		{"the result is changed behind the check", without("31d2c3", "31c0c3"), false},
		{"another return", without("9090909090909090", "c390909090909090"), false},
		{"a jump to another function", without("ebda", "eb7f"), false},
		{"a jump to who knows where", without("9090909090909090", "ffe0909090909090"), false},
		{"no code", "06", false},
		{"nothing", "", false},
	} {
		code, err := hex.DecodeString(tt.code)
		if err != nil {
			t.Fatal(err)
		}
		call, end, ok := Stepless(elf.EM_X86_64, code)
		if ok != tt.ok || ok && (call != 29 || end != 55) {
			t.Errorf("%s: %d, %d, %v", tt.name, call, end, ok)
		}
		if _, _, ok := Stepless(elf.EM_AARCH64, code); ok {
			t.Errorf("%s: of Arm, too", tt.name)
		}
	}
}

// FuzzStepless: no code leads astray, and what is found are a call and a jump.
func FuzzStepless(f *testing.F) {
	code, err := hex.DecodeString(strings.Join(caller, ""))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(code)
	f.Fuzz(func(t *testing.T, code []byte) {
		call, end, ok := Stepless(elf.EM_X86_64, code)
		if ok && (code[call] != 0xe8 || code[end] != 0x75 && code[end] != 0x0f || call >= end) {
			t.Errorf("%d: %x, %d: %x", call, code[call], end, code[end])
		}
	})
}
