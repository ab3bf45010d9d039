// SPDX-License-Identifier: Apache-2.0

// Package pcap plays a flow into a capture file.
package pcap

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/flow"
)

// errNoPcap says why a capture file cannot show a section.
var errNoPcap = errors.New("write a capture of the flow: it has what no packet shows: TLS, a listener, a process, or a timeout")

// Write writes the flow as a capture file: what this host would have captured,
// with a whole handshake for each connection that is not midlife, an
// acknowledgement for each segment, and at the end of the flow a frame that is
// about nothing, so that the file lasts as long as the flow.
func Write(w io.Writer, s *flow.Section) error {
	if !s.Pcap() {
		return errNoPcap
	}
	p := wire{
		Sorted: capturetest.NewSorted(),
		conns:  make(map[*flow.Conn]*[2]uint32), closed: make(map[[2]netip.AddrPort]time.Duration),
	}
	for _, a := range s.Actions() {
		p.play(&a)
	}
	p.Frame(flow.Start.Add(s.Duration()), nothing)
	if err := p.File(w); err != nil {
		return fmt.Errorf("write a capture of the flow: %w", err)
	}
	return nil
}

// nothing is an ARP question about an address that no flow has.
var nothing = slices.Concat(
	[]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06"), // Ethernet: to all, ARP
	[]byte("\x00\x01\x08\x00\x06\x04\x00\x01"),                         // who has
	[]byte("\x02\x00\x00\x00\x00\x01\xc0\x00\x02\xfe"),                 // 192.0.2.254, which asks,
	[]byte("\x00\x00\x00\x00\x00\x00\xc0\x00\x02\xfe"),                 // itself
	make([]byte, 18),
)
