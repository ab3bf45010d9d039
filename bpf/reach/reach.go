// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Reach is the loaded iterators. One goroutine may use it at a time.
type Reach struct {
	objects    *ebpf.Collection
	destroyer  *ebpf.Collection // nil if destroyErr says why
	destroyErr error
}

// Load loads the iterators. Whether sockets can be destroyed is another matter:
// see [Reach.CanDestroy].
func Load() (*Reach, error) {
	spec, err := loadPrograms()
	if err != nil {
		return nil, fmt.Errorf("read the embedded iterators: %w", err)
	}
	rest := spec.Copy()
	delete(rest.Programs, programsProgDestroySocket)
	r := new(Reach)
	if r.objects, err = ebpf.NewCollection(rest); err != nil {
		return nil, fmt.Errorf("load the iterators that reach sockets: %w", err)
	}
	for name := range spec.Programs {
		if name != programsProgDestroySocket {
			delete(spec.Programs, name)
		}
	}
	r.destroyer, r.destroyErr = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: map[string]*ebpf.Map{programsMapTargets: r.objects.Maps[programsMapTargets]},
	})
	return r, nil
}

// CanDestroy returns nil, or why this kernel does not let a program end a socket.
func (r *Reach) CanDestroy() error { return r.destroyErr }

// Close unloads the iterators.
func (r *Reach) Close() {
	r.objects.Close()
	if r.destroyer != nil {
		r.destroyer.Close()
	}
}

// aim makes the next passes be about these sockets, each with its value, until
// the returned function is called.
func aim[T any](targets *ebpf.Map, sockets []uint64, value func(socket uint64) T) (clear func() error, err error) {
	sockets = slices.Compact(slices.Sorted(slices.Values(sockets)))
	if len(sockets) == 0 {
		return func() error { return nil }, nil
	}
	values := make([]T, len(sockets))
	for i, socket := range sockets {
		values[i] = value(socket)
	}
	clear = func() error {
		_, err := targets.BatchDelete(sockets, nil)
		return err
	}
	if n, err := targets.BatchUpdate(sockets, values, nil); err != nil {
		sockets = sockets[:n]
		return nil, errors.Join(fmt.Errorf("aim at %d sockets: %w", len(values), err), clear())
	}
	return clear, nil
}

// pass runs an iterator over everything and returns what it wrote.
func pass[T any](program *ebpf.Program) ([]T, error) {
	l, err := link.AttachIter(link.IterOptions{Program: program})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	r, err := l.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(patient{r})
	if err != nil {
		return nil, err
	}
	var one T
	size := int(unsafe.Sizeof(one))
	if len(raw)%size != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of records of %d", len(raw), size)
	}
	all := make([]T, len(raw)/size)
	for i := range all {
		all[i] = *(*T)(unsafe.Pointer(&raw[i*size]))
	}
	return all, nil
}

// patient reads on where the kernel makes a pause: after a million sockets or
// files of which none was wanted.
type patient struct{ io.Reader }

func (p patient) Read(b []byte) (int, error) {
	for {
		n, err := p.Reader.Read(b)
		if !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
	}
}
