// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/gofunc"
)

// Probes are the loaded programs. They are attached to nothing but the kernel's
// fork until [Probes.Follow]. Its methods may be called by one goroutine at a
// time, [Probes.Decode] by another one.
type Probes struct {
	objects  programsObjects
	fork     link.Link
	multi    bool
	decoder  decoder
	offsets  map[file]offsets
	programs map[file][]gofunc.Function
	follows  map[int][]link.Link
}

// Load loads the programs. Their records go into the ring of p, which must take
// them, see [bpf.Probes.Others].
func Load(p *bpf.Probes) (*Probes, error) {
	return load(p.Epoch(), p.WakeBytes(), map[string]*ebpf.Map{"records": p.Ring()})
}

// load loads them with a ring of their own if maps has none.
func load(epoch event.Time, wake uint64, maps map[string]*ebpf.Map) (*Probes, error) {
	spec, err := loadPrograms()
	if err != nil {
		return nil, fmt.Errorf("read the embedded programs for TLS libraries: %w", err)
	}
	l := &Probes{
		multi: features.HaveBPFLinkUprobeMulti() == nil, decoder: decoder{epoch: epoch, memory: memory{"/proc", make(map[uint32]looked)}},
		offsets: make(map[file]offsets), programs: make(map[file][]gofunc.Function), follows: make(map[int][]link.Link),
	}
	if l.multi {
		for _, program := range spec.Programs {
			if program.Type == ebpf.Kprobe {
				program.AttachType = ebpf.AttachTraceUprobeMulti
			}
		}
	}
	if ring := maps["records"]; ring != nil {
		spec.Maps["records"].MaxEntries = ring.MaxEntries()
	}
	if err := spec.Variables["wake_bytes"].Set(wake); err != nil {
		return nil, fmt.Errorf("set wake_bytes: %w", err)
	}
	if err := spec.LoadAndAssign(&l.objects, &ebpf.CollectionOptions{MapReplacements: maps}); err != nil {
		return nil, fmt.Errorf("load the programs for TLS libraries: %w", err)
	}
	if l.fork, err = link.AttachTracing(link.TracingOptions{Program: l.objects.PlainForked}); err != nil {
		return nil, errors.Join(fmt.Errorf("attach to tp_btf/sched_process_fork: %w", err), l.Close())
	}
	return l, nil
}

// Multi says whether the kernel has uprobe_multi.
func (l *Probes) Multi() bool { return l.multi }

// Close detaches the programs and frees the maps. It is safe to call twice.
func (l *Probes) Close() error {
	// The kernel waits at each probe for whoever is in it: for all at once, a
	// server of many processes is left soon.
	var errs []error
	var all sync.WaitGroup
	left := make(chan error, len(l.follows))
	for pid, probes := range l.follows {
		all.Go(func() { left <- detach(probes) })
		delete(l.follows, pid)
	}
	all.Wait()
	close(left)
	for err := range left {
		errs = append(errs, err)
	}
	if l.fork != nil {
		errs = append(errs, l.fork.Close())
		l.fork = nil
	}
	return errors.Join(append(errs, l.objects.Close())...)
}

// Follow probes the libraries of a process, which are given as files that can be
// opened here, and has its children told of. It fails if there would be nothing
// to probe.
func (l *Probes) Follow(pid int, libraries []string) error {
	return l.follow(pid, func() error {
		all := make([]offsets, len(libraries))
		for i, file := range libraries {
			var err error
			if all[i], err = l.offsetsOf(file); err != nil {
				return err
			}
		}
		if !useful(&l.objects, all) {
			names := make([]string, len(libraries))
			for i, file := range libraries {
				names[i] = path.Base(file)
			}
			return fmt.Errorf("none of the functions that are probed is in %s, it may be too old", strings.Join(names, ", "))
		}
		for i, at := range all {
			if err := l.attach(pid, libraries[i], without(at, all)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *Probes) follow(pid int, attach func() error) (err error) {
	if _, ok := l.follows[pid]; ok {
		return nil
	}
	l.follows[pid] = nil
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Unfollow(pid))
		}
	}()
	if err := l.objects.Followed.Put(uint32(pid), uint8(1)); err != nil {
		return fmt.Errorf("follow the children of process %d: %w", pid, err)
	}
	return attach()
}

// Unfollow detaches from a process.
func (l *Probes) Unfollow(pid int) error {
	err := detach(l.follows[pid])
	delete(l.follows, pid)
	if e := l.objects.Followed.Delete(uint32(pid)); e != nil && !errors.Is(e, ebpf.ErrKeyNotExist) {
		err = errors.Join(err, fmt.Errorf("stop following process %d: %w", pid, e))
	}
	return err
}

// detach closes what begins a call first, as attach ends with it.
func detach(probes []link.Link) error {
	var errs []error
	for _, probe := range slices.Backward(probes) {
		errs = append(errs, probe.Close())
	}
	return errors.Join(errs...)
}
