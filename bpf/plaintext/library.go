// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/cfunc"
)

// file identifies a library, whatever its path. Another one may get the inode of
// one that was removed, and a wrong place in it would break the program.
type file struct {
	device, inode uint64
	size          int64
	changed       unix.Timespec
}

// place is where a function is probed, in the file. Within means: at an
// instruction in its middle, see [cfunc.Stepless], whether it is its entry or its return
// that is wanted.
type place struct {
	offset uint64 // 0: the library has no such function
	within bool
}

// offsets are the places of functions, in their order.
type offsets []place

// useful says whether plaintext would be seen in a process with these libraries.
func useful(o *programsObjects, all []offsets) bool {
	for i, f := range functions {
		if f.begins(o) && present(all, i) {
			return true
		}
	}
	return false
}

func present(all []offsets, function int) bool {
	return slices.ContainsFunc(all, func(at offsets) bool { return at[function].offset != 0 })
}

// without returns at but for the functions that are only of use with others,
// which are in none of the libraries, or do their work by one that it has, too.
func without(at offsets, all []offsets) offsets {
	at = slices.Clone(at)
	for i, f := range functions {
		if f.with != "" && !have(all, f.with) || f.by != "" && have([]offsets{at}, f.by) {
			at[i] = place{}
		}
	}
	return at
}

func have(all []offsets, name string) bool {
	return present(all, slices.IndexFunc(functions, func(f function) bool { return f.name == name }))
}

// maxFiles bounds how many files are remembered: hosts have few, upgraded ones
// are forgotten.
const maxFiles = 1024

func fileOf(path string) (file, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return file{}, fmt.Errorf("look at the TLS library %s: %w", path, err)
	}
	return file{stat.Dev, stat.Ino, stat.Size, stat.Ctim}, nil
}

// offsetsOf reads a library's symbols, once for each file.
func (l *Probes) offsetsOf(path string) (offsets, error) {
	id, err := fileOf(path)
	if err != nil {
		return nil, err
	}
	if at, ok := l.offsets[id]; ok {
		return at, nil
	}
	at, err := readOffsets(path)
	if err != nil {
		return nil, fmt.Errorf("read the symbols of the TLS library %s: %w", path, err)
	}
	if len(l.offsets) >= maxFiles {
		clear(l.offsets)
	}
	l.offsets[id] = at
	return at, nil
}

func readOffsets(path string) (offsets, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	e, err := elf.NewFile(f)
	if err != nil {
		return nil, err
	}
	dynamic, err := e.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, err
	}
	static, err := e.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, err
	}
	found := make(map[string]elf.Symbol)
	for _, symbols := range [][]elf.Symbol{static, dynamic} {
		for _, s := range symbols {
			if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Value != 0 && s.Section != elf.SHN_UNDEF {
				found[s.Name] = s
			}
		}
	}
	at := make(offsets, len(functions))
	for i, f := range functions {
		if symbol, ok := found[f.name]; ok {
			at[i] = placeOf(e, f, symbol)
		}
	}
	return at, nil
}

func placeOf(e *elf.File, f function, symbol elf.Symbol) place {
	const largest = 4096 // functions that only call another one are much smaller
	begin := inFile(e, symbol.Value)
	if begin == 0 || symbol.Size > largest || f.cookie&tells != 0 {
		return place{offset: begin}
	}
	code := make([]byte, symbol.Size)
	for _, p := range e.Progs {
		if p.Type == elf.PT_LOAD && begin >= p.Off && begin+symbol.Size <= p.Off+p.Filesz {
			if _, err := p.ReadAt(code, int64(begin-p.Off)); err != nil {
				break
			}
			if call, end, ok := cfunc.Stepless(e.Machine, code); ok {
				if f.returns {
					return place{begin + end, true}
				}
				return place{begin + call, true}
			}
		}
	}
	return place{offset: begin}
}

// inFile turns an address into an offset in the file.
func inFile(e *elf.File, address uint64) uint64 {
	for _, p := range e.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && address >= p.Vaddr && address < p.Vaddr+p.Memsz {
			return address - p.Vaddr + p.Off
		}
	}
	return 0
}
