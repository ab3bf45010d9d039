// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"path"
	"slices"
	"strings"
)

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
	maps, err := mapsOf(proc, pid)
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
