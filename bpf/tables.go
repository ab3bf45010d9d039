// SPDX-License-Identifier: Apache-2.0

package bpf

import "fmt"

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
