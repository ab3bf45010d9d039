// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// program is what a process runs: the file, whatever its path.
type program struct{ device, inode uint64 }

func programOf(proc string, pid int) (program, bool) {
	var stat unix.Stat_t
	if unix.Stat(fmt.Sprintf("%s/%d/exe", proc, pid), &stat) != nil {
		return program{}, false
	}
	return program{stat.Dev, stat.Ino}, true
}

// parentOf reads proc_pid_stat(5): the name in brackets may hold anything, the
// field behind the state is the parent's pid.
func parentOf(proc string, pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("%s/%d/stat", proc, pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return parent
}

// family returns the processes that do one server's work: those that run the
// same program and descend from the same first process of it. A socket that one
// of them holds may be read and written by any other.
func family(proc string, pid int) []int {
	runs, ok := programOf(proc, pid)
	if !ok {
		return nil
	}
	head := pid
	for {
		parent := parentOf(proc, head)
		if parent <= 1 {
			break
		}
		if above, ok := programOf(proc, parent); !ok || above != runs {
			break
		}
		head = parent
	}
	children := make(map[int][]int)
	entries, _ := os.ReadDir(proc) // without it: the process alone
	for _, entry := range entries {
		if child, err := strconv.Atoi(entry.Name()); err == nil {
			parent := parentOf(proc, child)
			children[parent] = append(children[parent], child)
		}
	}
	all := []int{head}
	for i := 0; i < len(all); i++ {
		for _, child := range children[all[i]] {
			if of, ok := programOf(proc, child); ok && of == runs {
				all = append(all, child)
			}
		}
	}
	return all
}
