// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/viaduct-project/viaduct/internal/event"
)

// firstOtherKind is the first kind of record that is not of these programs.
const firstOtherKind = 32

// Ring is the ring that [Probes.Read] reads, for programs whose records are to
// be in order with these ones'. They must begin with the same head, with kinds
// from 32 on.
func (p *Probes) Ring() *ebpf.Map { return p.objects.Records }

// WakeBytes is how many bytes must wait in the ring before a program wakes the
// reader; 0: never.
func (p *Probes) WakeBytes() uint64 { return p.wake }

// Epoch is the time at which the programs' clock was zero.
func (p *Probes) Epoch() event.Time { return p.decoder.epoch }

// Others sets what takes the records of other programs, from [Probes.Read]. It
// must be set before such a program runs, and not while Read does.
func (p *Probes) Others(take func(raw []byte) error) { p.others = take }

// isOther says whether a record is not of these programs.
func isOther(raw []byte) bool {
	return len(raw) >= int(unsafe.Sizeof(programsRecordHead{})) &&
		(*programsRecordHead)(unsafe.Pointer(&raw[0])).Kind >= firstOtherKind
}
