// SPDX-License-Identifier: Apache-2.0

package gofunc

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"
)

const program = `package main

import ("crypto/tls"; "fmt"; "os")

//go:noinline
func Twice(n int) int {
	if n > 3 {
		fmt.Println(n)
		return n
	}
	return 2 * n
}

func main() {
	fmt.Println(Twice(len(os.Args)))
	tls.Dial("tcp", "", nil)
}
`

func build(t *testing.T, goarch string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", slices.Concat([]string{"build", "-o", binary}, flags, []string{source})...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return binary
}

// The functions are found however a program was linked, and what is found are
// instructions that return.
func TestFind(t *testing.T) {
	names := []string{"main.Twice", "crypto/tls.(*halfConn).decrypt", "crypto/tls.(*halfConn).encrypt"}
	for _, tt := range []struct {
		name, goarch string
		flags        []string
	}{
		{"with symbols", "amd64", nil},
		{"stripped", "amd64", []string{"-ldflags=-s -w"}},
		{"position-independent, stripped", "amd64", []string{"-buildmode=pie", "-ldflags=-s -w"}},
		{"for Arm, stripped", "arm64", []string{"-ldflags=-s -w"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := build(t, tt.goarch, tt.flags...)
			found, err := Find(path, names...)
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range found {
				if len(f.Returns) < 2 || f.Returns[0] <= f.Entry || !slices.IsSorted(f.Returns) {
					t.Errorf("%s: %+v", names[i], f)
				}
				if !growsStack(t, tt.goarch, file[f.Entry:]) {
					t.Errorf("%s does not begin at %#x: % x", names[i], f.Entry, file[f.Entry:f.Entry+16])
				}
				for _, at := range f.Returns {
					if !isReturn(t, tt.goarch, file[at:]) {
						t.Errorf("%s: no return at %#x", names[i], at)
					}
				}
			}
			if _, err := Find(path, "main.Thrice"); !errors.Is(err, ErrAbsent) {
				t.Errorf("a function that is not there: %v", err)
			}
		})
	}
}

// growsStack says whether code begins as Go's functions do: by looking whether
// the stack is large enough, at what the goroutine's register points to.
func growsStack(t *testing.T, goarch string, code []byte) bool {
	t.Helper()
	if goarch == "arm64" {
		i, err := arm64asm.Decode(code)
		return err == nil && i.Op == arm64asm.LDR && i.Args[0] == arm64asm.X16
	}
	for range 2 { // the second has LEA in front of it, if the frame is large
		i, err := x86asm.Decode(code, 64)
		if err != nil {
			return false
		}
		if m, ok := i.Args[1].(x86asm.Mem); ok && i.Op == x86asm.CMP && m.Base == x86asm.R14 {
			return true
		}
		code = code[i.Len:]
	}
	return false
}

func isReturn(t *testing.T, goarch string, code []byte) bool {
	t.Helper()
	if goarch == "arm64" {
		return bytes.HasPrefix(code, []byte{0xc0, 0x03, 0x5f, 0xd6})
	}
	return code[0] == 0xc3
}

func TestFindRefuses(t *testing.T) {
	if _, err := Find("/bin/sh", "main.main"); !errors.Is(err, ErrAbsent) {
		t.Errorf("a program in C: %v", err)
	}
	if _, err := Find(os.DevNull, "main.main"); err == nil {
		t.Error("no program at all is read")
	}
	for _, tt := range []struct {
		machine elf.Machine
		code    []byte
	}{
		{elf.EM_X86_64, []byte{0x90, 0x90}},       // no return
		{elf.EM_X86_64, []byte{0xc3, 0x06, 0xc3}}, // no instruction of x86-64
		{elf.EM_AARCH64, []byte{0x1f, 0x20, 0x03, 0xd5}},
		{elf.EM_RISCV, []byte{0x82, 0x80}},
	} {
		if got, err := returns(tt.machine, tt.code); err == nil {
			t.Errorf("%v % x: returns at %d", tt.machine, tt.code, got)
		}
	}
	// A byte within an instruction is none.
	if got, err := returns(elf.EM_X86_64, []byte{0xb8, 0xc3, 0xc3, 0xc3, 0xc3, 0xc3}); err != nil || !slices.Equal(got, []uint64{5}) {
		t.Errorf("%d, %v", got, err)
	}
}

// FuzzReturns: no code leads astray, and what is found returns.
func FuzzReturns(f *testing.F) {
	f.Add([]byte("\x55\x48\x89\xe5\x5d\xc3\x90\xc2\x08\x00"), false)
	f.Add([]byte("\x1f\x20\x03\xd5\xc0\x03\x5f\xd6\xc0"), true)
	f.Fuzz(func(t *testing.T, code []byte, arm bool) {
		machine := elf.EM_X86_64
		if arm {
			machine = elf.EM_AARCH64
		}
		offsets, err := returns(machine, code)
		if (err == nil) != (len(offsets) > 0) || !slices.IsSorted(offsets) {
			t.Fatalf("%v and %v", offsets, err)
		}
		for _, at := range offsets {
			if arm && (at%4 != 0 || string(code[at:at+4]) != "\xc0\x03\x5f\xd6") {
				t.Fatalf("%x at %d", code, at)
			}
			if i, err := x86asm.Decode(code[at:], 64); !arm && (err != nil || i.Op != x86asm.RET) {
				t.Fatalf("%v at %d: %v", i, at, err)
			}
		}
	})
}
