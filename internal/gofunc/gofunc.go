// SPDX-License-Identifier: Apache-2.0

// Package gofunc finds functions in an executable that was built by Go, stripped
// or not: where they begin, and every instruction by which they return. A return
// probe cannot be had otherwise: it would put an address of its own on the stack,
// which Go's runtime reads and moves.
//
// Names, beginnings and ends come from the table that Go's runtime itself
// uses (.gopclntab), which is in every such program; the returns are found by
// decoding the machine code between them. What is not understood is an error.
package gofunc

import (
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"slices"
)

// ErrAbsent is returned where the program has no such function.
var ErrAbsent = errors.New("not in this program")

// Function is a function by places in its file.
type Function struct {
	Entry   uint64
	Returns []uint64 // ascending, at least one
}

// Find returns the functions of the given names, in their order. The program
// must be one for x86-64 or 64-bit Arm.
func Find(path string, names ...string) ([]Function, error) {
	e, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the program %s: %w", path, err)
	}
	defer e.Close()
	table, err := functions(e)
	if err != nil {
		return nil, fmt.Errorf("read the functions of the Go program %s: %w", path, err)
	}
	found := make([]Function, 0, len(names))
	for _, name := range names {
		f := table.LookupFunc(name)
		if f == nil {
			return nil, fmt.Errorf("find %s in %s: %w", name, path, ErrAbsent)
		}
		at, err := locate(e, f.Entry, f.End)
		if err != nil {
			return nil, fmt.Errorf("find where %s returns in %s: %w", name, path, err)
		}
		found = append(found, at)
	}
	return found, nil
}

// functions reads the table of the runtime. Its addresses count from the start
// of Go's code, which is told in one of several places, by version and linker.
func functions(e *elf.File) (*gosym.Table, error) {
	section := e.Section(".gopclntab")
	if section == nil {
		section = e.Section(".data.rel.ro.gopclntab") // position-independent
	}
	text := e.Section(".text")
	if section == nil || text == nil {
		return nil, fmt.Errorf("no .gopclntab or no .text: %w", ErrAbsent)
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	const textStart = 24 // in the table's header, since Go 1.18; 0 since 1.26
	if len(data) < textStart+8 {
		return nil, errors.New(".gopclntab is too short")
	}
	start, sure := codeStart(e)
	if inHeader := e.ByteOrder.Uint64(data[textStart:]); !sure && inHeader >= text.Addr && inHeader < text.Addr+text.Size {
		start, sure = inHeader, true
	}
	if !sure {
		start = text.Addr // unless C code was linked in front of it
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, start))
	if err != nil {
		return nil, err
	}
	if !sure && !slices.ContainsFunc(table.Funcs, func(f gosym.Func) bool { return f.Entry == e.Entry }) {
		return nil, errors.New("it is stripped and was linked by a C compiler: where Go's code begins is not known")
	}
	return table, nil
}

func codeStart(e *elf.File) (uint64, bool) {
	symbols, _ := e.Symbols() // stripped: none
	for _, s := range symbols {
		if s.Name == "runtime.text" && s.Section != elf.SHN_UNDEF {
			return s.Value, true
		}
	}
	return 0, false
}

// locate turns addresses into places in the file, and finds the returns between.
func locate(e *elf.File, entry, end uint64) (Function, error) {
	for _, p := range e.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_X == 0 || entry < p.Vaddr || end > p.Vaddr+p.Filesz || entry >= end {
			continue
		}
		code := make([]byte, end-entry)
		if _, err := p.ReadAt(code, int64(entry-p.Vaddr)); err != nil {
			return Function{}, err
		}
		at := Function{Entry: entry - p.Vaddr + p.Off}
		offsets, err := returns(e.Machine, code)
		if err != nil {
			return Function{}, err
		}
		for _, offset := range offsets {
			at.Returns = append(at.Returns, at.Entry+offset)
		}
		return at, nil
	}
	return Function{}, errors.New("it is in no segment that is executed")
}
