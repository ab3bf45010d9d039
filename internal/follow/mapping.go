// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is a part of a file that a process has mapped to execute it.
type mapping struct {
	span   string // as the files in map_files are named
	offset uint64 // where it begins in the file
	inode  uint64
	path   string // in the process's mount namespace, perhaps of another file by now
}

// mappingOf reads a line of proc_pid_maps(5).
func mappingOf(line string) (mapping, bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || len(fields[1]) < 3 || fields[1][2] != 'x' || !strings.HasPrefix(fields[5], "/") {
		return mapping{}, false
	}
	offset, err := strconv.ParseUint(fields[2], 16, 64)
	if err != nil {
		return mapping{}, false
	}
	inode, err := strconv.ParseUint(fields[4], 10, 64)
	return mapping{fields[0], offset, inode, fields[5]}, err == nil
}

// mappings reads proc_pid_maps(5), each file once.
func mappings(maps []byte) []mapping {
	var all []mapping
	for line := range bytes.Lines(maps) {
		m, ok := mappingOf(string(line))
		if ok && !slices.ContainsFunc(all, func(other mapping) bool { return m.inode == other.inode && m.path == other.path }) {
			all = append(all, m)
		}
	}
	return all
}

// code is a place in a file that processes execute.
type code struct {
	inode  uint64
	path   string
	offset uint64
}

// codeAt returns what a process executes at an address.
func codeAt(maps []byte, address uint64) (code, bool) {
	for line := range bytes.Lines(maps) {
		m, ok := mappingOf(string(line))
		if !ok {
			continue
		}
		var from, to uint64
		if _, err := fmt.Sscanf(m.span, "%x-%x", &from, &to); err == nil && from <= address && address < to {
			return code{m.inode, m.path, address - from + m.offset}, true
		}
	}
	return code{}, false
}

func mapsOf(proc string, pid int) ([]byte, error) {
	return os.ReadFile(fmt.Sprintf("%s/%d/maps", proc, pid))
}

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
