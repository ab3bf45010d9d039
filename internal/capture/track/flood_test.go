// SPDX-License-Identifier: Apache-2.0

package track

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/viaduct-project/viaduct/internal/capture/packet"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestFlood: strangers that send one packet each, of every kind, leave no more
// behind than the tables hold, and what was given up is counted.
func TestFlood(t *testing.T) {
	proxy := netip.MustParseAddrPort("192.0.2.1:5060")
	events := 0
	tr := New(Options{}, func(*event.Event) { events++ })
	kinds := []packet.Packet{
		{Kind: packet.Segment, Flags: packet.SYN, Seq: 1000},
		{Kind: packet.Segment, Flags: packet.ACK, Seq: 1000, Payload: []byte("x"), Length: 1},
		{Kind: packet.Datagram, Payload: []byte("OPTIONS sip:a@example.com SIP/2.0\r\n"), Length: 35},
	}
	for n := range uint32(1_500_000) {
		p := kinds[n%uint32(len(kinds))]
		p.Time = event.Time(1 + 1000*int64(n))
		p.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n))), 5060)
		p.Dst = proxy
		tr.Packet(&p)
	}
	if n := len(tr.tcp.young) + len(tr.tcp.old); n > 2*tableMax {
		t.Errorf("%d TCP connections", n)
	}
	if n := len(tr.udp.young) + len(tr.udp.old); n > 2*tableMax {
		t.Errorf("%d UDP sockets", n)
	}
	if n := len(tr.waiting); n > waitingMax {
		t.Errorf("%d connections wait", n)
	}
	if tr.Evicted == 0 || events == 0 {
		t.Errorf("%d events, %d evicted", events, tr.Evicted)
	}
}
