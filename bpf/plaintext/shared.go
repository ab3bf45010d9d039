// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// span is a part of a process's memory.
type span struct {
	from, to uint64
	shared   bool // with other processes
}

// memory remembers what processes share. Workers of one server have sessions at
// the same addresses: of some it is the same session, of others each has its own.
type memory struct {
	proc string
	of   map[uint32]looked
}

// looked is what was seen of a process, and when.
type looked struct {
	at  event.Time
	all []span
}

const (
	// maxMemories bounds how many processes are remembered.
	maxMemories = 4096
	// lookAgain is how long they are: a pid may come to be another's.
	lookAgain = 10 * time.Second
)

// shared says whether other processes may see the same at an address. Where it is
// not known they may.
func (m *memory) shared(pid uint32, address uint64, now event.Time) bool {
	if known := m.of[pid]; now.Sub(known.at) < lookAgain {
		if s, ok := find(known.all, address); ok {
			return s.shared
		}
	}
	maps, err := os.ReadFile(fmt.Sprintf("%s/%d/maps", m.proc, pid))
	if err != nil {
		delete(m.of, pid) // it has ended
		return true
	}
	if len(m.of) >= maxMemories {
		clear(m.of)
	}
	all := spans(maps)
	m.of[pid] = looked{now, all}
	s, ok := find(all, address)
	return !ok || s.shared
}

func find(all []span, address uint64) (span, bool) {
	i, found := slices.BinarySearchFunc(all, address, func(s span, a uint64) int {
		switch {
		case s.to <= a:
			return -1
		case s.from > a:
			return 1
		}
		return 0
	})
	if !found {
		return span{}, false
	}
	return all[i], true
}

// spans reads proc_pid_maps(5), which is in order: what may be written to.
func spans(maps []byte) (all []span) {
	for line := range bytes.Lines(maps) {
		var s span
		var rights string
		if _, err := fmt.Sscanf(string(line), "%x-%x %s", &s.from, &s.to, &rights); err != nil || len(rights) != 4 || rights[1] != 'w' {
			continue
		}
		s.shared = rights[3] == 's'
		all = append(all, s)
	}
	return all
}
