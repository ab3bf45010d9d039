// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"io"
	"unsafe"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Scan asks the kernel for every socket of every process, in every network
// namespace. Sockets that are new to the programs and holders that changed come
// out of [Probes.Read], in their place among the other records. The figures of
// each live SIP socket are handed to figures; a connection that is missing
// there, and whose end is not waiting to be read, has ended unseen.
// The event is reused. Scan may run beside Read.
func (p *Probes) Scan(figures func(*event.Event)) error {
	if err := p.expireEarly(); err != nil {
		return err
	}
	p.scans++
	if err := p.objects.Scan.Set(p.scans); err != nil {
		return fmt.Errorf("number the scan: %w", err)
	}
	if err := p.objects.FiguresWritten.Set(uint32(0)); err != nil {
		return fmt.Errorf("make room for what the scan finds: %w", err)
	}
	files, err := link.AttachIter(link.IterOptions{Program: p.objects.ScanFiles})
	if err != nil {
		return fmt.Errorf("attach to iter/task_file: %w", err)
	}
	defer files.Close()
	if err := runIterator(files, func() error { return nil }); err != nil {
		return fmt.Errorf("scan the files of all processes: %w", err)
	}
	sockets, err := link.AttachIter(link.IterOptions{Program: p.objects.ScanSockets, Map: p.objects.Sockets})
	if err != nil {
		return fmt.Errorf("attach to iter/bpf_sk_storage_map: %w", err)
	}
	defer sockets.Close()
	d := decoder{epoch: p.decoder.epoch, tlsPorts: p.decoder.tlsPorts, names: make(map[[16]int8]string)}
	err = runIterator(sockets, func() error {
		return p.takeFigures(func(raw []byte) error {
			e, err := d.decode(raw)
			if err == nil {
				figures(e)
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("scan the sockets: %w", err)
	}
	return nil
}

// Now is the programs' clock, as an event time.
func (p *Probes) Now() event.Time {
	return p.decoder.epoch.Add(bootNow())
}

// takeFigures hands over the records that the scan has written, and makes room
// for others.
func (p *Probes) takeFigures(record func([]byte) error) error {
	var n uint32
	if err := p.objects.FiguresWritten.Get(&n); err != nil {
		return fmt.Errorf("ask how many there are: %w", err)
	}
	size := int64(unsafe.Sizeof(programsLifeRecord{}))
	raw := make([]byte, size)
	for i := range int64(n) {
		if _, err := p.figures.ReadAt(raw, i*size); err != nil {
			return err
		}
		if err := record(raw); err != nil {
			return err
		}
	}
	return p.objects.FiguresWritten.Set(uint32(0))
}

// runIterator calls taken each time when the program has stopped, for want of
// room or at the end.
func runIterator(l *link.Iter, taken func() error) error {
	r, err := l.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return readAll(r, taken)
}

func readAll(r io.Reader, taken func() error) error {
	for nothing := make([]byte, 8); ; {
		// The kernel pauses after a million objects, too.
		_, err := r.Read(nothing)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, unix.EAGAIN) {
			return err
		}
		if wrong := taken(); wrong != nil || errors.Is(err, io.EOF) {
			return wrong
		}
	}
}
