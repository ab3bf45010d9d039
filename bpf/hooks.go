// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
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
	o := &p.objects
	return hooks(p.links, []hooked{{"tcp_state", o.TcpState}, {"packet_in", o.PacketIn}, {"packet_out", o.PacketOut}})
}

// Hooks are those of the limiter. What one of the two that look at TCP's states
// missed, the other has seen.
func (l *Limiter) Hooks() ([]Hook, error) {
	o := &l.objects
	return hooks(slices.Concat(l.hooks, l.states), []hooked{
		{"limit_packet_in", o.LimitPacketIn}, {"limit_connect_v4", o.LimitConnectV4},
		{"limit_connect_v6", o.LimitConnectV6},
		{"limit_tcp_state", o.LimitTcpState}, {"limit_tcp_state_again", o.LimitTcpStateAgain},
	})
}

type hooked struct {
	name    string
	program *ebpf.Program
}

func hooks(links []link.Link, programs []hooked) ([]Hook, error) {
	attached, err := attached(links)
	if err != nil {
		return nil, err
	}
	var all []Hook
	for _, h := range programs {
		stats, err := h.program.Stats()
		if err != nil {
			return nil, fmt.Errorf("ask for the statistics of %s: %w", h.name, err)
		}
		info, err := h.program.Info()
		if err != nil {
			return nil, fmt.Errorf("ask for the id of %s: %w", h.name, err)
		}
		id, _ := info.ID() // of every kernel that has links
		all = append(all, Hook{
			Program: h.name, Attached: attached[id],
			Runs: stats.RunCount, RunTime: stats.Runtime, Missed: stats.RecursionMisses,
		})
	}
	return all, nil
}

// attached returns the programs whose links hold on to a hook. The link of a
// detached program, or of a cgroup that has gone, is still there, without a
// cgroup.
func attached(links []link.Link) (map[ebpf.ProgramID]bool, error) {
	ids := make(map[ebpf.ProgramID]bool)
	for _, l := range links {
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
