// SPDX-License-Identifier: Apache-2.0

package helpertest

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	stunRequest    = 0x0001
	stunIndication = 0x0011
	stunSuccess    = 0x0101
	stunError      = 0x0111
	stunCookie     = 0x2112A442
)

// stun has 12 bytes of id; said is the length that the header names.
func stun(kind uint16, cookie uint32, id string, said int, attributes []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(said))
	b = append(binary.BigEndian.AppendUint32(b, cookie), id...)
	return append(b, attributes...)
}

func sinceBoot(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// TestOwnDatagram: of all that a port gets, only the answer to what viaduct asked
// is taken for viaduct's, which is what may be swallowed; and of all that leaves
// it, only that request.
func TestOwnDatagram(t *testing.T) {
	w := newWalker(t)
	const id, other = "of viaduct's", "somebody's.."
	software := []byte{0x80, 0x22, 0, 4, 't', 'e', 's', 't'}
	plain := func(kind uint16) []byte { return stun(kind, stunCookie, id, len(software), software) }
	success, request := plain(stunSuccess), plain(stunRequest)

	ports := func(b []byte, source, destination uint16) []byte {
		binary.BigEndian.PutUint16(b[0:], source)
		binary.BigEndian.PutUint16(b[2:], destination)
		return b
	}
	after := func(b []byte, change func([]byte)) []byte {
		change(b)
		return b
	}
	const ethernet = 14
	all := udp(success)

	// What comes in has the client, at port 40000, as its remote end.
	type test struct {
		name  string
		frame []byte
		in    bool
		mine  bool
	}
	check := func(t *testing.T, remote netip.Addr, expires time.Duration, tests []test) {
		t.Helper()
		answer := helperOwnAnswer{
			ExpiresNs: uint64(sinceBoot(t) + expires), Remote: remote.As16(), RemotePort: 40000, LocalPort: 5060,
		}
		if err := w.objects.OwnAnswers.Put([12]byte([]byte(id)), &answer); err != nil {
			t.Fatal(err)
		}
		for _, tt := range tests {
			var in uint8
			if tt.in {
				in = 1
			}
			if err := w.objects.Incoming.Set(in); err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.objects.Own.Test(tt.frame); err != nil {
				t.Fatal(tt.name, err)
			}
			var mine uint8
			if err := w.objects.Mine.Get(&mine); err != nil {
				t.Fatal(err)
			}
			if (mine != 0) != tt.mine {
				t.Errorf("%s: viaduct's %v, want %v", tt.name, mine != 0, tt.mine)
			}
		}
	}
	v4 := func(b []byte) []byte { return ipv4(17, nil, udp(b)) }
	tests := []test{
		{name: "the answer", frame: v4(success), in: true, mine: true},
		{name: "an error", frame: v4(plain(stunError)), in: true, mine: true},
		{name: "an answer without attributes", frame: v4(stun(stunSuccess, stunCookie, id, 0, nil)), in: true, mine: true},
		{name: "behind IP options", frame: ipv4(17, make([]byte, 8), udp(success)), in: true, mine: true},
		{name: "somebody else's answer", frame: v4(stun(stunSuccess, stunCookie, other, 8, software)), in: true},
		{name: "an id that differs in its last byte", frame: v4(stun(stunSuccess, stunCookie, id[:11]+"S", 8, software)), in: true},
		{name: "a request of the peer's with this id", frame: v4(request), in: true},
		{name: "an indication", frame: v4(plain(stunIndication)), in: true},
		{name: "another method's answer", frame: v4(plain(0x0103)), in: true},
		{name: "another cookie", frame: v4(stun(stunSuccess, stunCookie+1, id, 8, software)), in: true},
		{name: "more bytes than the header says", frame: v4(append(plain(stunSuccess), 0)), in: true},
		{name: "fewer bytes than the header says", frame: v4(success[:len(success)-4]), in: true},
		{name: "another length", frame: v4(stun(stunSuccess, stunCookie, id, 12, software)), in: true},
		{name: "a header that is cut", frame: v4(success[:19]), in: true},
		{name: "one byte", frame: v4(success[:1]), in: true},
		{name: "nothing", frame: v4(nil), in: true},
		{name: "a message of SIP", frame: v4([]byte("OPTIONS sip:example.com SIP/2.0\r\n\r\n")), in: true},
		{name: "CRLF", frame: v4([]byte("\r\n\r\n")), in: true},
		{name: "from another port", frame: ipv4(17, nil, ports(udp(success), 40001, 5060)), in: true},
		{name: "to another port", frame: ipv4(17, nil, ports(udp(success), 40000, 5061)), in: true},
		{name: "from another address", frame: after(v4(success), func(b []byte) { b[ethernet+15] = 77 }), in: true},
		{name: "the second fragment", frame: after(ipv4(17, nil, success), func(b []byte) { b[ethernet+7] = 1 }), in: true},
		{name: "over TCP", frame: ipv4(6, nil, tcp(1, 0, nil, success)), in: true},
		{name: "an answer that leaves", frame: ipv4(17, nil, ports(udp(success), 5060, 40000))},
		{name: "somebody's request that leaves", frame: ipv4(17, nil, ports(udp(stun(stunRequest, stunCookie, other, 0, nil)), 5060, 40000))},
	}
	t.Run("IPv4", func(t *testing.T) { check(t, mapped(client4), time.Minute, tests) })
	t.Run("that leaves", func(t *testing.T) {
		out := ports(udp(request), 5060, 40000)
		check(t, mapped(server4), time.Minute, []test{
			{name: "the request", frame: ipv4(17, nil, out), mine: true},
			{name: "to another port", frame: ipv4(17, nil, ports(udp(request), 5060, 40001))},
			{name: "from another port", frame: ipv4(17, nil, ports(udp(request), 5061, 40000))},
			{name: "the answer", frame: ipv4(17, nil, ports(udp(success), 5060, 40000))},
		})
	})
	t.Run("too late", func(t *testing.T) {
		check(t, mapped(client4), -time.Millisecond, []test{{name: "the answer", frame: v4(success), in: true}})
	})
	t.Run("IPv6", func(t *testing.T) {
		check(t, client6, time.Minute, []test{
			{name: "the answer", frame: ipv6(17, all), in: true, mine: true},
			{name: "behind hop-by-hop options", frame: ipv6(0, extension(17, 0, all)), in: true, mine: true},
			{name: "behind three extension headers", frame: ipv6(0, extension(43, 0, extension(60, 1, extension(17, 0, all)))), in: true, mine: true},
			{name: "behind a fragment header", frame: ipv6(44, extension(17, 0, all)), in: true},
			{name: "an extension header that is cut", frame: ipv6(0, extension(17, 200, nil)), in: true},
			{name: "somebody else's answer", frame: ipv6(17, udp(stun(stunSuccess, stunCookie, other, 8, software))), in: true},
			{name: "over IPv4", frame: v4(success), in: true},
			{name: "from another address", frame: after(ipv6(17, all), func(b []byte) { b[ethernet+8+15] = 77 }), in: true},
		})
	})
}

func mapped(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }

// TestOwnBytes: of a segment only the bytes that viaduct wrote are its own, wherever
// it was cut, and only if they are line ends.
func TestOwnBytes(t *testing.T) {
	w := newWalker(t)
	const before, after = "before", "after"
	for _, tt := range []struct {
		name    string
		payload string
		seq     uint32
		at      uint32
		length  uint32 // of the mark
		own     string // o for each byte that is viaduct's
		left    uint32 // of the mark
	}{
		{"alone", "\r\n\r\n", 100, 100, 4, "oooo", 0},
		{"no mark", "\r\n\r\n", 100, 100, 0, "----", 0},
		{"with what the program wrote", before + "\r\n\r\n" + after, 100, 106, 4, "------oooo-----", 0},
		{"around the end of sequence numbers", "\r\n\r\n" + after, 0xfffffffe, 0xfffffffe, 4, "oooo-----", 0},
		{"the first half", before + "\r\n", 100, 106, 4, "------oo", 4},
		{"the second half", "\r\n" + after, 108, 106, 4, "oo-----", 0},
		{"the program's line ends next to it", "\r\n\r\n\r\n\r\n", 100, 104, 4, "----oooo", 0},
		{"an earlier segment", before, 100, 106, 4, "------", 4},
		{"a later segment", after, 110, 106, 4, "-----", 0},
		{"bytes that are no line ends", "SIP/2.0", 100, 100, 4, "-------", 0},
		{"a longer mark than there may be", "\r\n\r\n\r\n", 100, 100, 6, "------", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mark := helperOwnMark{At: tt.at, Length: tt.length}
			if err := w.objects.Marked.Set(&mark); err != nil {
				t.Fatal(err)
			}
			if err := w.objects.Incoming.Set(uint8(0)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.objects.Own.Test(ipv4(6, nil, tcp(tt.seq, 0, nil, []byte(tt.payload)))); err != nil {
				t.Fatal(err)
			}
			payload, own := "", ""
			for {
				b, mine := w.rest()
				if b == nil {
					break
				}
				payload += string(b)
				own += strings.Repeat(map[bool]string{true: "o", false: "-"}[mine], len(b))
			}
			if payload != tt.payload || own != tt.own {
				t.Errorf("%q own %q, want %q own %q", payload, own, tt.payload, tt.own)
			}
			if err := w.objects.Marked.Get(&mark); err != nil {
				t.Fatal(err)
			}
			if mark.Length != tt.left {
				t.Errorf("%d bytes stay marked, want %d", mark.Length, tt.left)
			}
		})
	}
}

// rest returns the bytes of the next record, and whether they are viaduct's; nil
// if there is none.
func (w *walker) rest() (payload []byte, own bool) {
	w.t.Helper()
	w.ring.SetDeadline(time.Unix(1, 0))
	record, err := w.ring.Read()
	if err != nil {
		return nil, false
	}
	data := (*helperDataRecord)(unsafe.Pointer(&record.RawSample[0]))
	const head = unsafe.Sizeof(*data)
	return record.RawSample[head : head+uintptr(data.CapturedBytes)], helperRecordFlag(data.Head.Flags)&helperRecordFlagRECORD_OWN != 0
}
