// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"
)

// Program is what the kernel tells of one loaded program.
type Program struct {
	Name string
	// Hooked programs are to be attached all the time; the others are
	// iterators, which are attached while a scan runs.
	Hooked   bool
	Attached bool

	// Runs and RunTime grow only while the kernel keeps statistics
	// (kernel.bpf_stats_enabled), which costs it time: 0 means not known.
	Runs    uint64
	RunTime time.Duration
	// Missed are the runs that the kernel left out because a program was
	// running on that CPU already: state edges that nobody saw.
	Missed uint64
}

// Programs asks the kernel for every program, in a fixed order. It may be
// called from any goroutine until [Probes.Close].
func (p *Probes) Programs() ([]Program, error) {
	attached, err := p.attached()
	if err != nil {
		return nil, err
	}
	o := &p.objects
	all := []Program{
		{Name: "tcp_state", Hooked: true},
		{Name: "packet_in", Hooked: true},
		{Name: "packet_out", Hooked: true},
		{Name: "scan_files"},
		{Name: "scan_sockets"},
	}
	for i, program := range []*ebpf.Program{o.TcpState, o.PacketIn, o.PacketOut, o.ScanFiles, o.ScanSockets} {
		stats, err := program.Stats()
		if err != nil {
			return nil, fmt.Errorf("read the run statistics of %s: %w", all[i].Name, err)
		}
		all[i].Runs, all[i].RunTime, all[i].Missed = stats.RunCount, stats.Runtime, stats.RecursionMisses
		if !all[i].Hooked {
			continue
		}
		info, err := program.Info()
		if err != nil {
			return nil, fmt.Errorf("read the id of %s: %w", all[i].Name, err)
		}
		id, _ := info.ID()
		all[i].Attached = attached[id]
	}
	return all, nil
}

// attached returns the programs whose links hold on to a hook. The link of a
// cgroup that has gone is still there, with a cgroup id of 0.
func (p *Probes) attached() (map[ebpf.ProgramID]bool, error) {
	ids := make(map[ebpf.ProgramID]bool)
	for _, l := range p.links {
		info, err := l.Info()
		if err != nil {
			return nil, fmt.Errorf("read a link of the programs: %w", err)
		}
		if cgroup := info.Cgroup(); cgroup == nil || cgroup.CgroupId != 0 {
			ids[info.Program] = true
		}
	}
	return ids, nil
}
