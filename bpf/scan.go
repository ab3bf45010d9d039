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
	files, err := link.AttachIter(link.IterOptions{Program: p.objects.ScanFiles})
	if err != nil {
		return fmt.Errorf("attach to iter/task_file: %w", err)
	}
	defer files.Close()
	if err := runIterator(files, func([]byte) error { return nil }); err != nil {
		return fmt.Errorf("scan the files of all processes: %w", err)
	}
	sockets, err := link.AttachIter(link.IterOptions{Program: p.objects.ScanSockets, Map: p.objects.Sockets})
	if err != nil {
		return fmt.Errorf("attach to iter/bpf_sk_storage_map: %w", err)
	}
	defer sockets.Close()
	d := decoder{epoch: p.decoder.epoch, tlsPorts: p.decoder.tlsPorts, names: make(map[[16]int8]string)}
	err = runIterator(sockets, func(raw []byte) error {
		e, err := d.decode(raw)
		if err == nil {
			figures(e)
		}
		return err
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

func runIterator(l *link.Iter, record func([]byte) error) error {
	r, err := l.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return readRecords(r, record)
}

// readRecords cuts what an iterator writes into records.
func readRecords(r io.Reader, record func([]byte) error) error {
	buffer := make([]byte, 64*unsafe.Sizeof(programsLifeRecord{}))
	size := int(unsafe.Sizeof(programsLifeRecord{}))
	have := 0
	for {
		n, err := r.Read(buffer[have:])
		have += n
		used := 0
		for ; have-used >= size; used += size {
			if err := record(buffer[used : used+size]); err != nil {
				return err
			}
		}
		have = copy(buffer, buffer[used:have])
		if errors.Is(err, io.EOF) {
			return nil
		}
		// The kernel pauses after a million objects that wrote nothing.
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			return err
		}
	}
}
