// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"io"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Cost is what the kernel has counted for one program. It stays zero unless
// statistics are switched on, see [EnableStats].
type Cost struct {
	Runs uint64
	Time time.Duration
}

// PacketCosts returns the costs of the two packet programs.
func (p *Probes) PacketCosts() (in, out Cost, err error) {
	for _, packet := range []struct {
		program *ebpf.Program
		cost    *Cost
	}{{p.objects.PacketIn, &in}, {p.objects.PacketOut, &out}} {
		stats, err := packet.program.Stats()
		if err != nil {
			return in, out, fmt.Errorf("read the statistics of %v: %w", packet.program, err)
		}
		*packet.cost = Cost{Runs: stats.RunCount, Time: stats.Runtime}
	}
	return in, out, nil
}

// EnableStats has the kernel time every BPF program of the host until the
// result is closed. It makes each run dearer by some tens of nanoseconds: for
// measurements only.
func EnableStats() (io.Closer, error) {
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return nil, fmt.Errorf("switch on BPF statistics: %w", err)
	}
	return stats, nil
}
