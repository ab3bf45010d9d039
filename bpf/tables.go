// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
)

// earlyWait is as long as EARLY_NS in the programs.
const earlyWait = 5 * time.Second

// expireEarly removes what no connection claimed.
func (p *Probes) expireEarly() error {
	oldest := uint64(max(0, bootNow()-earlyWait))
	var key programsEarlyKey
	var value programsEarlyBytes
	var stale []programsEarlyKey
	entries := p.objects.Early.Iterate()
	for entries.Next(&key, &value) {
		if value.TimeNs < oldest {
			stale = append(stale, key)
		}
	}
	// An iteration that others' changes have put out of step ends early; the
	// next scan goes on.
	if err := entries.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return fmt.Errorf("read the table of early bytes: %w", err)
	}
	for i := range stale {
		if err := p.objects.Early.Delete(&stale[i]); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("clean the table of early bytes: %w", err)
		}
	}
	return nil
}

// Early returns how many connections are remembered for the bytes that came
// with their handshake: those that are about to be established, and of those
// that never were up to the table's bound.
func (p *Probes) Early() (int, error) {
	n := 0
	var key, value []byte
	entries := p.objects.Early.Iterate()
	for entries.Next(&key, &value) {
		n++
	}
	if err := entries.Err(); err != nil {
		return n, fmt.Errorf("read the table of early bytes: %w", err)
	}
	return n, nil
}
