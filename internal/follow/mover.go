// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxMovers bounds the functions of one server, and maxServers the servers of
// which some are known.
const (
	maxMovers  = 16
	maxServers = 1024
)

// mover is a function of a server's that moves encrypted bytes for its TLS
// library. It was seen being handed to the library, in one of its processes.
//
// What one process says is believed for its own server only: a breakpoint at a
// wrong place breaks a program, and anybody may run the program of another's.
type mover struct {
	code  code
	shape uint8 // the prober's word
}

// told of a mover, not yet looked at.
type given struct {
	pid     int
	address uint64
	shape   uint8
}

// Mover says that a process that is followed has a function of its own that
// moves encrypted bytes, and where; what shape means is the prober's affair.
func (f *Follower) Mover(pid uint32, address uint64, shape uint8) {
	f.ask(func() { f.given[given{int(pid), address, shape}] = true })
}

// learn has the function probed in all processes of the server, and in those to
// come.
func (f *Follower) learn(g given) {
	p := f.state[g.pid]
	if p == nil || !p.followed {
		return
	}
	maps, err := mapsOf(proc, g.pid)
	if err != nil {
		return // it has ended
	}
	at, ok := codeAt(maps, g.address)
	if !ok {
		f.lacks(p, fmt.Errorf("no file is mapped at %#x", g.address))
		return
	}
	if ofLibrary(at.path) {
		return // what it is by default, which is probed as it is
	}
	m := mover{at, g.shape}
	of, ok := serverOf(proc, g.pid)
	known := f.movers[of]
	if !ok || of.runs != p.runs || slices.Contains(known, m) || len(known) >= maxMovers {
		return
	}
	if known == nil && len(f.movers) >= maxServers {
		clear(f.movers)
	}
	f.movers[of] = append(known, m)
	for pid, other := range f.state {
		if other.runs != p.runs || !other.followed {
			continue
		}
		if its, ok := serverOf(proc, pid); ok && its == of {
			f.probe(pid, other, m)
		}
	}
}

// ofLibrary says whether a file is a TLS library that is probed. GnuTLS sets its
// own functions by those that programs use.
func ofLibrary(file string) bool {
	for _, k := range known {
		if k.use == tls && strings.HasPrefix(path.Base(file), k.prefix) {
			return true
		}
	}
	return false
}

// probe has one function probed in one process, if that has it.
func (f *Follower) probe(pid int, p *process, m mover) {
	maps, err := mapsOf(proc, pid)
	if err != nil {
		return
	}
	for _, mapped := range mappings(maps) {
		if mapped.inode != m.code.inode || mapped.path != m.code.path {
			continue
		}
		if err := f.prober.FollowMover(pid, open(proc, pid, mapped), m.code.offset, m.shape); err != nil {
			f.lacks(p, err)
		}
		return
	}
}

// lacks notes why some of what a process says over TLS may not be seen.
func (f *Follower) lacks(p *process, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.why = fmt.Sprintf("it moves TLS records by functions of its own, which cannot be probed: %v", err)
}
