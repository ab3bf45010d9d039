// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/viaduct-project/viaduct/agent/report"
)

// generationsMax ends the walk to the root of the process tree.
const generationsMax = 64

// ofProcess keeps the connections held by a process or its descendants: SIP
// servers accept in one process and work in others.
func ofProcess(pid int) func(*report.Connection) bool {
	known := make(map[int]bool)
	return func(c *report.Connection) bool {
		if c.Process == nil {
			return false
		}
		holder := int(c.Process.PID)
		if _, ok := known[holder]; !ok {
			known[holder] = descends(holder, pid)
		}
		return known[holder]
	}
}

func descends(pid, from int) bool {
	for range generationsMax {
		if pid == from {
			return true
		}
		if pid <= 1 {
			return false
		}
		pid = parent(pid)
	}
	return false
}

// parent reads proc_pid_stat(5): the name in brackets may hold anything, the
// field behind the state is the parent's pid. It returns 0 if there is none.
func parent(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	ppid, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return ppid
}
