// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// capabilities are what the programs need, and what for. CAP_SYS_ADMIN stands
// for CAP_BPF and CAP_PERFMON, as in the kernel.
var capabilities = []struct {
	bit      int
	name     string
	use      string
	optional bool
}{
	{bit: unix.CAP_BPF, name: "CAP_BPF", use: "load programs and make maps"},
	{bit: unix.CAP_PERFMON, name: "CAP_PERFMON", use: "read kernel structures"},
	{bit: unix.CAP_NET_ADMIN, name: "CAP_NET_ADMIN", use: "attach packet programs to the cgroup"},
	{bit: unix.CAP_SYS_PTRACE, name: "CAP_SYS_PTRACE", use: "duplicate other processes' sockets, to close them gently, or protect them in other network namespaces", optional: true},
}

func needed() []string {
	var names []string
	for _, c := range capabilities {
		if !c.optional {
			names = append(names, c.name)
		}
	}
	return names
}

// effective returns the calling thread's effective capabilities.
func effective() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("read this process's capabilities: %w", err)
	}
	return uint64(data[0].Effective) | uint64(data[1].Effective)<<32, nil
}

// Holds says whether this process has a capability, one of unix.CAP_*.
func Holds(bit int) bool {
	set, err := effective()
	return err == nil && has(set, bit)
}

func has(set uint64, bit int) bool {
	admin := set>>unix.CAP_SYS_ADMIN&1 == 1
	return set>>bit&1 == 1 || admin && (bit == unix.CAP_BPF || bit == unix.CAP_PERFMON)
}

func checkCapabilities() error {
	set, err := effective()
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range capabilities {
		if !c.optional && !has(set, c.bit) {
			missing = append(missing, c.name)
		}
	}
	if missing == nil {
		return nil
	}
	return unsupported(fmt.Sprintf("missing privilege: %s; run as root or give the process these capabilities", strings.Join(missing, ", ")))
}
