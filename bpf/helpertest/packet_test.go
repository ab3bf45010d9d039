// SPDX-License-Identifier: Apache-2.0

package helpertest

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

var (
	client4 = netip.MustParseAddr("192.0.2.1")
	server4 = netip.MustParseAddr("192.0.2.2")
	client6 = netip.MustParseAddr("2001:db8::1")
	server6 = netip.MustParseAddr("2001:db8::2")
)

// frame puts an Ethernet header in front, as BPF_PROG_TEST_RUN wants it.
func frame(etherType uint16, packet []byte) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 12), etherType), packet...)
}

// ipv4 has its options, a multiple of four bytes, between header and rest.
func ipv4(protocol byte, options, rest []byte) []byte {
	h := make([]byte, 20)
	h[0] = 0x40 | byte(5+len(options)/4)
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(options)+len(rest)))
	h[8], h[9] = 64, protocol
	copy(h[12:], client4.AsSlice())
	copy(h[16:], server4.AsSlice())
	return frame(0x0800, slices.Concat(h, options, rest))
}

// ipv6 has its extension headers in rest.
func ipv6(next byte, rest []byte) []byte {
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(h[4:], uint16(len(rest)))
	copy(h[8:], client6.AsSlice())
	copy(h[24:], server6.AsSlice())
	return frame(0x86DD, append(h, rest...))
}

func extension(next byte, units int, rest []byte) []byte {
	h := make([]byte, 8+8*units)
	h[0], h[1] = next, byte(units)
	return append(h, rest...)
}

const synFlag = 0x02

func tcp(seq uint32, flags byte, options, payload []byte) []byte {
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h[0:], 40000)
	binary.BigEndian.PutUint16(h[2:], 5060)
	binary.BigEndian.PutUint32(h[4:], seq)
	h[12], h[13] = byte(5+len(options)/4)<<4, flags
	return slices.Concat(h, options, payload)
}

func udp(payload []byte) []byte {
	h := make([]byte, 8)
	binary.BigEndian.PutUint16(h[0:], 40000)
	binary.BigEndian.PutUint16(h[2:], 5060)
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(payload)))
	return append(h, payload...)
}

// load returns a function that runs the helpers on a frame.
func load(t *testing.T) func(frame []byte, incoming bool) helperResult {
	t.Helper()
	testutil.RequireRoot(t)
	var objects helperObjects
	if err := loadHelperObjects(&objects, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { objects.Close() })
	return func(frame []byte, incoming bool) (r helperResult) {
		t.Helper()
		var in uint8
		if incoming {
			in = 1
		}
		if err := objects.Incoming.Set(in); err != nil {
			t.Fatal(err)
		}
		if _, _, err := objects.Examine.Test(frame); err != nil {
			t.Fatal(err)
		}
		if err := objects.Result.Get(&r); err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func TestParsePacket(t *testing.T) {
	examine := load(t)
	payload := []byte("OPTIONS sip:example.com SIP/2.0\r\n")
	none := []byte(nil)
	for _, test := range []struct {
		name   string
		frame  []byte
		bad    bool
		v6     bool
		seq    uint32
		offset uint32
		length int
	}{
		{name: "tcp", frame: ipv4(6, none, tcp(100, 0, none, payload)), seq: 100, offset: 40, length: len(payload)},
		{name: "tcp without payload", frame: ipv4(6, none, tcp(100, 0, none, none)), seq: 100, offset: 40},
		{name: "tcp options", frame: ipv4(6, none, tcp(100, 0, make([]byte, 12), payload)), seq: 100, offset: 52, length: len(payload)},
		{name: "ip options", frame: ipv4(6, make([]byte, 8), tcp(100, 0, none, payload)), seq: 100, offset: 48, length: len(payload)},
		{name: "data on a SYN", frame: ipv4(6, none, tcp(100, synFlag, none, payload)), seq: 101, offset: 40, length: len(payload)},
		{name: "data on a SYN, wrapping", frame: ipv4(6, none, tcp(0xffffffff, synFlag, none, payload)), seq: 0, offset: 40, length: len(payload)},
		{name: "udp", frame: ipv4(17, none, udp(payload)), offset: 28, length: len(payload)},
		{name: "tcp6", v6: true, frame: ipv6(6, tcp(100, 0, none, payload)), seq: 100, offset: 60, length: len(payload)},
		{name: "udp6", v6: true, frame: ipv6(17, udp(payload)), offset: 48, length: len(payload)},
		{name: "hop-by-hop options", v6: true, frame: ipv6(0, extension(6, 0, tcp(7, 0, none, payload))), seq: 7, offset: 68, length: len(payload)},
		{
			name: "three extension headers", v6: true, seq: 7, offset: 92, length: len(payload),
			frame: ipv6(0, extension(43, 0, extension(60, 1, extension(6, 0, tcp(7, 0, none, payload))))),
		},
		{name: "extension header past the end", v6: true, bad: true, frame: ipv6(0, extension(6, 200, none)[:8])},
		{name: "data offset past the end", bad: true, frame: ipv4(6, none, func() []byte {
			segment := tcp(1, 0, none, none)
			segment[12] = 0xf0
			return segment
		}())},
		{name: "tcp header cut", bad: true, frame: ipv4(6, none, tcp(1, 0, none, none)[:10])},
		{name: "icmp", bad: true, frame: ipv4(1, none, make([]byte, 16))},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, incoming := range []bool{true, false} {
				r := examine(test.frame, incoming)
				if test.bad != (r.Parsed == 0) {
					t.Fatalf("parsed %d, want an error: %v", r.Parsed, test.bad)
				}
				if test.bad {
					continue
				}
				p := r.Packet
				if p.Seq != test.seq || p.PayloadOffset != test.offset || int(p.PayloadLength) != test.length {
					t.Errorf("seq %d, payload at %d of %d bytes; want %d, %d, %d",
						p.Seq, p.PayloadOffset, p.PayloadLength, test.seq, test.offset, test.length)
				}
				source, destination := client4, server4
				if test.v6 {
					source, destination = client6, server6
				}
				local := netip.AddrPortFrom(netip.AddrFrom16(p.Ends.Local).Unmap(), p.Ends.LocalPort)
				remote := netip.AddrPortFrom(netip.AddrFrom16(p.Ends.Remote).Unmap(), p.Ends.RemotePort)
				wantLocal, wantRemote := netip.AddrPortFrom(destination, 5060), netip.AddrPortFrom(source, 40000)
				if !incoming {
					wantLocal, wantRemote = wantRemote, wantLocal
				}
				if local != wantLocal || remote != wantRemote {
					t.Errorf("incoming %v: %v to %v, want %v to %v", incoming, local, remote, wantLocal, wantRemote)
				}
			}
		})
	}
}
