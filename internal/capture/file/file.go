// SPDX-License-Identifier: Apache-2.0

// Package file reads the packets of a capture file, pcap or pcapng, plain or
// compressed by gzip or zstd, from a stream that need not be seekable.
package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/viaduct-project/viaduct/internal/event"
)

// readAhead is how much is read at a time. It is also what makes gopacket take
// our buffer and not one of its own in front of it.
const readAhead = 1 << 20

// Frame is one captured packet. Data is the Reader's, valid until the next
// call of Next.
type Frame struct {
	Data      []byte
	Length    int        // on the wire; more than len(Data) if cut
	Time      event.Time // 0 if the file does not say
	Link      layers.LinkType
	Interface int
}

// ErrCut says that a file ends in the middle of a packet, or goes on with what
// cannot be read: what was returned before is good.
var ErrCut = errors.New("the capture is cut off or damaged")

// source is what the two formats have in common in gopacket.
type source interface {
	ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

// Reader gives one frame after the other. It is not safe for concurrent use.
type Reader struct {
	Dropped uint64 // packets that the capture did not hold, as the file says so far

	source  source
	ng      *pcapgo.NgReader // nil for pcap
	link    layers.LinkType
	drops   map[int]uint64 // by interface of the present section
	release func()
}

// New reads the file's header. Close must be called; it leaves r open.
func New(r io.Reader) (*Reader, error) {
	plain, release, err := decompress(bufio.NewReaderSize(r, readAhead))
	if err != nil {
		return nil, err
	}
	f := &Reader{release: release, drops: make(map[int]uint64)}
	if err := f.open(plain); err != nil {
		release()
		return nil, err
	}
	return f, nil
}

func (f *Reader) open(r *bufio.Reader) error {
	magic, err := r.Peek(4)
	if len(magic) < 4 {
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("it is shorter than a file header")
		}
		return fmt.Errorf("read the capture's header: %w", err)
	}
	if bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		f.ng, err = pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{
			WantMixedLinkType:  true,
			SkipUnknownVersion: true,
			StatisticsCallback: f.statistics,
			SectionEndCallback: func([]pcapgo.NgInterface, pcapgo.NgSectionInfo) { clear(f.drops) },
		})
		f.source = f.ng
	} else if isPcap(magic) {
		var p *pcapgo.Reader
		if p, err = pcapgo.NewReader(r); err == nil {
			f.link, f.source = p.LinkType(), p
		}
	} else {
		return errors.New("read the capture's header: neither pcap nor pcapng, nor one of them compressed by gzip or zstd")
	}
	if err != nil {
		return fmt.Errorf("read the capture's header: %w", err)
	}
	return nil
}

func isPcap(magic []byte) bool {
	switch [4]byte(magic) {
	case [4]byte{0xa1, 0xb2, 0xc3, 0xd4}, [4]byte{0xd4, 0xc3, 0xb2, 0xa1}, // microseconds
		[4]byte{0xa1, 0xb2, 0x3c, 0x4d}, [4]byte{0x4d, 0x3c, 0xb2, 0xa1}: // nanoseconds
		return true
	}
	return false
}

// statistics takes an interface's count of drops, which is since its start.
func (f *Reader) statistics(iface int, s pcapgo.NgInterfaceStatistics) {
	if s.PacketsDropped == pcapgo.NgNoValue64 || s.PacketsDropped <= f.drops[iface] {
		return
	}
	f.Dropped += s.PacketsDropped - f.drops[iface]
	f.drops[iface] = s.PacketsDropped
}

// Next stores the next frame in to. It returns io.EOF at the end, and an error
// that wraps [ErrCut] where the file ends too early; nothing follows either.
func (f *Reader) Next(to *Frame) error {
	data, info, err := f.source.ZeroCopyReadPacketData()
	if err == io.EOF && info.CaptureLength > 0 { // the header was the last there is
		err = io.ErrUnexpectedEOF
	}
	if err == io.EOF {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	*to = Frame{Data: data, Length: max(info.Length, len(data)), Time: instant(info.Timestamp), Link: f.link}
	if f.ng != nil {
		to.Interface = info.InterfaceIndex
		to.Link, _ = info.AncillaryData[0].(layers.LinkType)
	}
	return nil
}

// Close ends the decompression.
func (f *Reader) Close() { f.release() }

// instant is t, or 0 where there is none that we can count.
func instant(t time.Time) event.Time {
	if s := t.Unix(); s <= 0 || s > 1<<33 {
		return 0
	}
	return event.At(t)
}
