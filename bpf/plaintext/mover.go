// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"fmt"

	"github.com/cilium/ebpf/link"
)

// Shape is how a function that moves encrypted bytes is called. A program may
// have such functions of its own, which it gives to GnuTLS.
type Shape = uint8

// groupsOf are the programs at a function of this shape, as groups has them for
// those of a library.
func (o *programsObjects) groupsOf(shape Shape, offset uint64) []*group {
	at := func(program *group) *group {
		program.names, program.offsets, program.cookies = []string{"a function that moves TLS records"}, []uint64{offset}, []uint64{0}
		return program
	}
	switch programsPlainMover(shape) {
	case programsPlainMoverMOVER_SENDS:
		return []*group{at(&group{program: o.PlainWriteEntry})}
	case programsPlainMoverMOVER_SENDS_PARTS:
		return []*group{at(&group{program: o.PlainPartsEntry})}
	case programsPlainMoverMOVER_RECEIVES:
		return []*group{at(&group{program: o.PlainReadReturn, returns: true}), at(&group{program: o.PlainReadEntry})}
	}
	return nil
}

// FollowMover probes a function that moves encrypted bytes, at an offset in a
// file, in a process that is followed; in another one it does nothing.
func (l *Probes) FollowMover(pid int, file string, offset uint64, shape Shape) error {
	if _, ok := l.follows[pid]; !ok {
		return nil
	}
	executable, err := link.OpenExecutable(file)
	if err != nil {
		return fmt.Errorf("open a file with functions that move TLS records: %w", err)
	}
	for _, g := range l.objects.groupsOf(shape, offset) {
		if err := l.attachGroup(executable, pid, g); err != nil {
			return fmt.Errorf("probe what moves TLS records, at %#x in %s, in process %d: %w", offset, file, pid, err)
		}
	}
	return nil
}
