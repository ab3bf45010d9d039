// SPDX-License-Identifier: Apache-2.0

package capturetest

import (
	"bytes"
	"cmp"
	"io"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Sorted is a Writer of Ethernet frames that may be written in any order: the
// file has them in the order of time.
type Sorted struct {
	*Writer
	frames []captured
}

type captured struct {
	info  gopacket.CaptureInfo
	bytes []byte
}

// NewSorted returns one without frames.
func NewSorted() *Sorted {
	s := &Sorted{}
	s.Writer = On(s, layers.LinkTypeEthernet)
	return s
}

// WritePacket keeps one.
func (s *Sorted) WritePacket(info gopacket.CaptureInfo, b []byte) error {
	s.frames = append(s.frames, captured{info, bytes.Clone(b)})
	return nil
}

// File writes the capture file.
func (s *Sorted) File(w io.Writer) error {
	slices.SortStableFunc(s.frames, func(a, b captured) int {
		return cmp.Compare(a.info.Timestamp.UnixNano(), b.info.Timestamp.UnixNano())
	})
	file := pcapgo.NewWriter(w)
	if err := file.WriteFileHeader(1<<18, layers.LinkTypeEthernet); err != nil {
		return err
	}
	for _, f := range s.frames {
		if err := file.WritePacket(f.info, f.bytes); err != nil {
			return err
		}
	}
	return nil
}
