// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// function is one that is probed, in a library of any version that has it.
type function struct {
	name    string
	program func(*programsObjects) *ebpf.Program
	cookie  programsPlainFunction
	returns bool // probed at its return
}

func entry(o *programsObjects) *ebpf.Program    { return o.PlainCallEntry }
func result(o *programsObjects) *ebpf.Program   { return o.PlainCallReturn }
func gone(o *programsObjects) *ebpf.Program     { return o.PlainGone }
func writes(o *programsObjects) *ebpf.Program   { return o.PlainWriteEntry }
func reads(o *programsObjects) *ebpf.Program    { return o.PlainReadEntry }
func record(o *programsObjects) *ebpf.Program   { return o.PlainRecordEntry }
func recorded(o *programsObjects) *ebpf.Program { return o.PlainRecordReturn }
func haveRead(o *programsObjects) *ebpf.Program { return o.PlainReadReturn }

const (
	tells   = programsPlainFunctionPLAIN_TELLS
	peeks   = programsPlainFunctionPLAIN_PEEKS
	writing = programsPlainFunctionPLAIN_WRITES
)

// functions of OpenSSL 1.1 and 3, in libssl and libcrypto, whose forks have them
// too; and of Mbed TLS. A library with other names and the same shapes (session,
// buffer, length, and encrypted bytes through a function of its own; or a record
// that one function encrypts in its place) needs a few lines here.
var functions = []function{
	{name: "SSL_read", program: entry},
	{name: "SSL_read", program: result, returns: true},
	{name: "SSL_read_ex", program: entry, cookie: tells},
	{name: "SSL_read_ex", program: result, returns: true},
	{name: "SSL_peek", program: entry, cookie: peeks},
	{name: "SSL_peek", program: result, returns: true},
	{name: "SSL_peek_ex", program: entry, cookie: peeks | tells},
	{name: "SSL_peek_ex", program: result, returns: true},
	{name: "SSL_write", program: entry, cookie: writing},
	{name: "SSL_write", program: result, returns: true},
	{name: "SSL_write_ex", program: entry, cookie: writing | tells},
	{name: "SSL_write_ex", program: result, returns: true},
	{name: "SSL_free", program: gone},
	{name: "SSL_clear", program: gone},
	{name: "BIO_write", program: writes},
	{name: "BIO_read", program: reads},
	{name: "BIO_read", program: haveRead, returns: true},

	{name: "mbedtls_ssl_encrypt_buf", program: record, cookie: writing},
	{name: "mbedtls_ssl_encrypt_buf", program: recorded, returns: true},
	{name: "mbedtls_ssl_decrypt_buf", program: record},
	{name: "mbedtls_ssl_decrypt_buf", program: recorded, returns: true},
	{name: "mbedtls_ssl_session_reset", program: gone},
	{name: "mbedtls_ssl_free", program: gone},
}

// file identifies a library, whatever its path.
type file struct{ device, inode uint64 }

// offsets are where the functions of a library begin, in the file; 0: it has no
// such function. In the order of functions.
type offsets []uint64

// maxFiles bounds how many files are remembered: hosts have few, upgraded ones
// are forgotten.
const maxFiles = 1024

func fileOf(path string) (file, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return file{}, fmt.Errorf("look at the TLS library %s: %w", path, err)
	}
	return file{stat.Dev, stat.Ino}, nil
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
	found := make(map[string]uint64)
	for _, symbols := range [][]elf.Symbol{static, dynamic} {
		for _, s := range symbols {
			if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Value != 0 && s.Section != elf.SHN_UNDEF {
				found[s.Name] = s.Value
			}
		}
	}
	at := make(offsets, len(functions))
	for i, f := range functions {
		if address, ok := found[f.name]; ok {
			at[i] = inFile(e, address)
		}
	}
	return at, nil
}

// inFile turns an address into a place in the file.
func inFile(e *elf.File, address uint64) uint64 {
	for _, p := range e.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && address >= p.Vaddr && address < p.Vaddr+p.Memsz {
			return address - p.Vaddr + p.Off
		}
	}
	return 0
}
