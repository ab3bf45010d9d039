// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is a file that a process has mapped to execute it.
type mapping struct {
	span  string // as the files in map_files are named
	inode uint64
	path  string // in the process's mount namespace, perhaps of another file by now
}

// mappings reads proc_pid_maps(5), each file once.
func mappings(maps []byte) []mapping {
	var all []mapping
	for line := range bytes.Lines(maps) {
		fields := strings.Fields(string(line))
		if len(fields) < 6 || len(fields[1]) < 3 || fields[1][2] != 'x' || !strings.HasPrefix(fields[5], "/") {
			continue
		}
		inode, err := strconv.ParseUint(fields[4], 10, 64)
		if err != nil || slices.ContainsFunc(all, func(m mapping) bool { return m.inode == inode && m.path == fields[5] }) {
			continue
		}
		all = append(all, mapping{fields[0], inode, fields[5]})
	}
	return all
}

// use is what a library is to the probes.
type use uint8

const (
	opaque use = iota // not probed: its name says why a connection is opaque
	helper            // probed beside a TLS library, which moves encrypted bytes through it
	tls
)

// known are libraries by the beginning of their file's name.
var known = []struct {
	prefix string
	use    use
	name   string
}{
	{"libssl.so", tls, "OpenSSL"},
	{"libcrypto.so", helper, "OpenSSL"},
	{"libmbedtls.so", tls, "Mbed TLS"},
	{"libgnutls.so", tls, "GnuTLS"},
	{"libc.so", helper, "the GNU C library"},
	{"libc-2.", helper, "the GNU C library before 2.34"},
	{"libpthread-2.", helper, "its part for programs with threads, with a sendmsg and recv of its own"},
	{"ld-musl-", helper, "musl"},
	{"libwolfssl.so", opaque, "wolfSSL"},
	{"libnss3.so", opaque, "NSS"},
}

// telling are the functions of TLS libraries by which a program is known that
// is linked with one statically, and has its symbols.
var telling = []string{"SSL_read", "gnutls_record_recv", "mbedtls_ssl_decrypt_buf"}

// libraries returns the files of the TLS library that a process has loaded, so
// that they can be opened here: whatever namespace it lives in, and whatever was
// installed over them since. If there are none it says why, but for a Go program,
// which may have its TLS in itself.
func libraries(proc string, pid int) (files []string, why string, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("%s/%d/maps", proc, pid))
	if err != nil {
		return nil, "", fmt.Errorf("look for the TLS library of process %d: %w", pid, err)
	}
	var others []string
	session := false
	for _, m := range mappings(maps) {
		name := path.Base(m.path)
		for _, k := range known {
			switch {
			case !strings.HasPrefix(name, k.prefix):
			case k.use == opaque:
				others = append(others, k.name)
			default:
				files = append(files, open(proc, pid, m))
				session = session || k.use == tls
			}
		}
	}
	if session {
		return files, "", nil
	}
	exe := executable(proc, pid)
	switch {
	case defines(exe, telling...):
		return append(files, exe), "", nil // linked statically, with its symbols
	case len(others) > 0:
		slices.Sort(others)
		return nil, "its TLS library is not one that is probed: " + strings.Join(slices.Compact(others), ", "), nil
	}
	if _, err := buildinfo.ReadFile(exe); err == nil {
		return nil, "", nil
	}
	return nil, "no TLS library is loaded that is known; it may be linked statically, without symbols", nil
}

func executable(proc string, pid int) string { return fmt.Sprintf("%s/%d/exe", proc, pid) }

// open returns a path by which a mapped file can be opened here. What is mapped
// is the file itself; a path is whatever lies there now.
func open(proc string, pid int, m mapping) string {
	rooted := fmt.Sprintf("%s/%d/root%s", proc, pid, m.path)
	var stat unix.Stat_t
	if unix.Stat(rooted, &stat) == nil && stat.Ino == m.inode {
		return rooted
	}
	return fmt.Sprintf("%s/%d/map_files/%s", proc, pid, m.span)
}

// defines says whether an executable has one of the symbols of its own.
func defines(file string, names ...string) bool {
	e, err := elf.Open(file)
	if err != nil {
		return false
	}
	defer e.Close()
	symbols, _ := e.Symbols() // stripped: none
	dynamic, _ := e.DynamicSymbols()
	return slices.ContainsFunc(append(symbols, dynamic...), func(s elf.Symbol) bool {
		return slices.Contains(names, s.Name) && s.Section != elf.SHN_UNDEF
	})
}
