// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"
)

// Hook is a program that is to be attached all the time, as iterators are not.
type Hook struct {
	Program  string
	Attached bool
	// Runs and RunTime grow only while the kernel keeps statistics
	// (kernel.bpf_stats_enabled, [EnableStats]): 0 means not known.
	Runs    uint64
	RunTime time.Duration
	// Missed are the runs that the kernel left out because a program was
	// running on that CPU already: state edges that nobody saw.
	Missed uint64
}

// Hooks asks the kernel for each of them, in a fixed order. It may be called
// from any goroutine until [Probes.Close].
func (p *Probes) Hooks() ([]Hook, error) {
	attached, err := p.attached()
	if err != nil {
		return nil, err
	}
	all := []Hook{{Program: "tcp_state"}, {Program: "packet_in"}, {Program: "packet_out"}}
	for i, program := range []*ebpf.Program{p.objects.TcpState, p.objects.PacketIn, p.objects.PacketOut} {
		stats, err := program.Stats()
		if err != nil {
			return nil, fmt.Errorf("ask for the statistics of %s: %w", all[i].Program, err)
		}
		info, err := program.Info()
		if err != nil {
			return nil, fmt.Errorf("ask for the id of %s: %w", all[i].Program, err)
		}
		id, _ := info.ID() // of every kernel that has links
		all[i].Attached = attached[id]
		all[i].Runs, all[i].RunTime, all[i].Missed = stats.RunCount, stats.Runtime, stats.RecursionMisses
	}
	return all, nil
}

// attached returns the programs whose links hold on to a hook. The link of a
// detached program, or of a cgroup that has gone, is still there, without a
// cgroup.
func (p *Probes) attached() (map[ebpf.ProgramID]bool, error) {
	ids := make(map[ebpf.ProgramID]bool)
	for _, l := range p.links {
		info, err := l.Info()
		if err != nil {
			return nil, fmt.Errorf("ask for a link of the programs: %w", err)
		}
		if cgroup := info.Cgroup(); cgroup == nil || cgroup.CgroupId != 0 {
			ids[info.Program] = true
		}
	}
	return ids, nil
}
