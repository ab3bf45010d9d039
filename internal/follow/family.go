// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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

// stat reads field n of proc_pid_stat(5), "" if there is none. The second one,
// the name in brackets, may hold anything.
func stat(proc string, pid, n int) string {
	all, err := os.ReadFile(fmt.Sprintf("%s/%d/stat", proc, pid))
	if err != nil {
		return ""
	}
	fields := bytes.Fields(all[bytes.LastIndexByte(all, ')')+1:])
	if len(fields) < n-2 {
		return ""
	}
	return string(fields[n-3])
}

func startOf(proc string, pid int) string { return stat(proc, pid, 22) }

// parentOf is 0 if there is none, or it is not known.
func parentOf(proc string, pid int) int {
	parent, err := strconv.Atoi(stat(proc, pid, 4))
	if err != nil {
		return 0
	}
	return parent
}

// childrenOf reads proc_tid_children(5), which some kernels do not have.
func childrenOf(proc string, pid int) (all []int) {
	threads, _ := filepath.Glob(fmt.Sprintf("%s/%d/task/*/children", proc, pid))
	for _, file := range threads {
		pids, _ := os.ReadFile(file) // a thread that has ended has none
		for field := range strings.FieldsSeq(string(pids)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// server is what the processes of a family have in common: what they run, and
// the first of them, with when it was started, as its pid may come again.
type server struct {
	runs    program
	head    int
	started string
}

func serverOf(proc string, pid int) (server, bool) {
	runs, ok := programOf(proc, pid)
	if !ok {
		return server{}, false
	}
	head := headOf(proc, pid, runs)
	return server{runs, head, startOf(proc, head)}, true
}

// headOf walks up to the first process above pid, or itself, that runs the same
// program with no other in between.
func headOf(proc string, pid int, runs program) int {
	for {
		parent := parentOf(proc, pid)
		if parent <= 1 {
			return pid
		}
		if above, ok := programOf(proc, parent); !ok || above != runs {
			return pid
		}
		pid = parent
	}
}

// family returns the processes that do one server's work: those that run the
// same program and descend from the same first process of it. A socket that one
// of them holds may be read and written by any other.
func family(proc string, pid int) []int {
	runs, ok := programOf(proc, pid)
	if !ok {
		return nil
	}
	head := headOf(proc, pid, runs)
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
