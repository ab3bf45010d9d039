// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// attach probes the functions of one library in one process. Returns come
// first and what begins a call last: a call that is under way at this moment is
// then seen as a whole or not at all.
func (l *Probes) attach(pid int, path string, at offsets) error {
	library, err := link.OpenExecutable(path)
	if err != nil {
		return fmt.Errorf("open the TLS library: %w", err)
	}
	for _, g := range groups(&l.objects, at) {
		if err := l.attachGroup(library, pid, g); err != nil {
			return fmt.Errorf("probe %v of %s in process %d: %w", g.names, path, pid, err)
		}
	}
	return nil
}

// group are the functions that one program is attached to.
type group struct {
	program *ebpf.Program
	returns bool
	names   []string
	offsets []uint64
	cookies []uint64
}

// goGroup is a program at places in a Go program's code, none of which is probed
// as a return: see [gofunc].
func goGroup(program *ebpf.Program, name string, offsets []uint64) *group {
	names := slices.Repeat([]string{name}, len(offsets))
	return &group{program: program, names: names, offsets: offsets, cookies: make([]uint64, len(offsets))}
}

func groups(o *programsObjects, at offsets) []*group {
	var all []*group
	for _, pick := range []func(*programsObjects) *ebpf.Program{haveRead, recorded, result, gone, reads, message, writes, setsMover, record, entry} {
		begin, within := &group{program: pick(o)}, &group{program: pick(o)}
		for i, f := range functions {
			if at[i].offset == 0 || f.program(o) != begin.program {
				continue
			}
			g := begin
			if at[i].within {
				g = within
			} else {
				g.returns = f.returns
			}
			g.names = append(g.names, f.name)
			g.offsets = append(g.offsets, at[i].offset)
			g.cookies = append(g.cookies, uint64(f.cookie))
		}
		for _, g := range []*group{begin, within} {
			if g.names != nil {
				all = append(all, g)
			}
		}
	}
	return all
}

func (l *Probes) attachGroup(library *link.Executable, pid int, g *group) error {
	if l.multi {
		o := &link.UprobeMultiOptions{Addresses: g.offsets, Cookies: g.cookies, PID: uint32(pid)}
		attach := library.UprobeMulti
		if g.returns {
			attach = library.UretprobeMulti
		}
		probe, err := attach(nil, g.program, o)
		if err != nil {
			return err
		}
		l.follows[pid] = append(l.follows[pid], probe)
		return nil
	}
	for i, offset := range g.offsets {
		attach := library.Uprobe
		if g.returns {
			attach = library.Uretprobe
		}
		probe, err := attach(g.names[i], g.program, &link.UprobeOptions{Address: offset, Cookie: g.cookies[i], PID: pid})
		if err != nil {
			return err
		}
		l.follows[pid] = append(l.follows[pid], probe)
	}
	return nil
}
