// SPDX-License-Identifier: Apache-2.0

package bpf

import "fmt"

// Holding tells the programs of which socket this process holds a duplicate from
// now on (0: of none): what is done with that socket does not make this process
// its owner.
func (p *Probes) Holding(socket uint64) error {
	if err := p.objects.HeldSocket.Set(socket); err != nil {
		return fmt.Errorf("mark socket %d as held: %w", socket, err)
	}
	return nil
}

// Ending tells the programs which socket this process ends from now on (0:
// none): [event.Event.ByAgent] of its end will be set.
func (p *Probes) Ending(socket uint64) error {
	if err := p.objects.EndedSocket.Set(socket); err != nil {
		return fmt.Errorf("mark socket %d as being ended: %w", socket, err)
	}
	return nil
}
