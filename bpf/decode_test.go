// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/event"
)

func loadObject(t *testing.T, name string) *ebpf.CollectionSpec {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec, err := ebpf.LoadCollectionSpecFromReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// bytesOf views a record as the ring would hand it over.
func bytesOf[T any](record *T, payload string) []byte {
	b := unsafe.Slice((*byte)(unsafe.Pointer(record)), unsafe.Sizeof(*record))
	return append(append([]byte(nil), b...), payload...)
}

func headOf(kind programsRecordKind, protocol, flags uint8) programsRecordHead {
	return programsRecordHead{
		TimeNs: 5e9, Cookie: 7, Netns: 9, Kind: uint8(kind), Protocol: protocol, Flags: flags,
		Direction: uint8(programsDirectionDIRECTION_OUT),
		Local:     netip.MustParseAddr("192.0.2.1").As16(), LocalPort: 40000,
		Remote: netip.MustParseAddr("2001:db8::1").As16(), RemotePort: 5061,
	}
}

func TestDecodeData(t *testing.T) {
	d := newDecoder([]uint16{5061})
	record := programsDataRecord{
		Head: headOf(programsRecordKindRECORD_DATA, unix.IPPROTO_TCP, uint8(programsRecordFlagRECORD_LOST|programsRecordFlagRECORD_SPOKE)),
		Seq:  42, LengthBytes: 9, CapturedBytes: 5,
	}
	e, err := d.decode(bytesOf(&record, "hellopadding"))
	if err != nil {
		t.Fatal(err)
	}
	if e.Kind != event.Data || e.Direction != event.Out || e.Transport != event.TCP || !e.Lost || e.MidLife {
		t.Errorf("%+v", e)
	}
	if string(e.Payload) != "hello" || e.Length != 9 || e.Seq != 42 || e.Socket != 7 || e.NetNS != 9 {
		t.Errorf("%+v", e)
	}
	if e.Local.String() != "192.0.2.1:40000" || e.Remote.String() != "[2001:db8::1]:5061" {
		t.Errorf("%v to %v", e.Local, e.Remote)
	}
	if got := e.Time.Sub(d.epoch); got != 5*time.Second {
		t.Errorf("%v after the boot, want 5s", got)
	}
}

func TestDecodeRefusesWhatIsTooShort(t *testing.T) {
	d := newDecoder(nil)
	data := programsDataRecord{Head: headOf(programsRecordKindRECORD_DATA, unix.IPPROTO_TCP, 0), CapturedBytes: 6}
	life := programsLifeRecord{Head: headOf(programsRecordKindRECORD_OPENED, unix.IPPROTO_TCP, 0)}
	unknown := programsLifeRecord{Head: headOf(99, unix.IPPROTO_TCP, 0)}
	for name, raw := range map[string][]byte{
		"empty":                nil,
		"half a head":          bytesOf(&life, "")[:20],
		"data without payload": bytesOf(&data, "hello"),
		"half a data record":   bytesOf(&data, "")[:70],
		"half a life record":   bytesOf(&life, "")[:90],
		"unknown kind":         bytesOf(&unknown, ""),
	} {
		if e, err := d.decode(raw); err == nil {
			t.Errorf("%s: decoded to %+v", name, e)
		} else if !strings.HasPrefix(err.Error(), "decode a") {
			t.Errorf("%s: %v does not say what failed", name, err)
		}
	}
}

func TestDecodeTransport(t *testing.T) {
	for _, test := range []struct {
		name     string
		protocol uint8
		flags    programsRecordFlag
		want     event.Transport
	}{
		{"datagram", unix.IPPROTO_UDP, 0, event.UDP},
		{"TLS seen", unix.IPPROTO_TCP, programsRecordFlagRECORD_TLS | programsRecordFlagRECORD_SPOKE, event.TLS},
		{"TLS port, silent", unix.IPPROTO_TCP, 0, event.TLS},
		{"TLS port, spoke in the clear", unix.IPPROTO_TCP, programsRecordFlagRECORD_SPOKE, event.TCP},
	} {
		d := newDecoder([]uint16{5061})
		record := programsLifeRecord{Head: headOf(programsRecordKindRECORD_OPENED, test.protocol, uint8(test.flags))}
		e, err := d.decode(bytesOf(&record, ""))
		if err != nil {
			t.Fatal(err)
		}
		if e.Transport != test.want {
			t.Errorf("%s: %v, want %v", test.name, e.Transport, test.want)
		}
	}
}

func TestDecodeEnding(t *testing.T) {
	failed, agent := programsRecordFlagRECORD_FAILED, programsRecordFlagRECORD_BY_AGENT
	for _, test := range []struct {
		ending programsEnding
		flags  programsRecordFlag
		by     event.Side
		how    event.How
	}{
		{programsEndingENDING_FIN_LOCAL, 0, event.Local, event.FIN},
		{programsEndingENDING_FIN_REMOTE, 0, event.Remote, event.FIN},
		{programsEndingENDING_RST_LOCAL, 0, event.Local, event.RST},
		{programsEndingENDING_FIN_LOCAL, agent, event.Local, event.FIN},
		{programsEndingENDING_RST_LOCAL, agent, event.Local, event.RST},
		{programsEndingENDING_RST_REMOTE, 0, event.Remote, event.RST},
		{programsEndingENDING_TIMEOUT, 0, event.Local, event.Timeout},
		{programsEndingENDING_TIMEOUT, failed, event.Unknown, event.Timeout},
		{programsEndingENDING_GAVE_UP, failed, event.Local, event.Timeout},
		{programsEndingENDING_REFUSED, failed, event.Remote, event.Refused},
		{programsEndingENDING_UNREACHABLE, failed, event.Unknown, event.Unreachable},
	} {
		d := newDecoder(nil)
		record := programsLifeRecord{Head: headOf(programsRecordKindRECORD_CLOSED, unix.IPPROTO_TCP, uint8(test.flags)), Ending: uint8(test.ending)}
		e, err := d.decode(bytesOf(&record, ""))
		if err != nil {
			t.Fatal(err)
		}
		if e.By != test.by || e.How != test.how || e.Failed != (test.flags == failed) || e.ByAgent != (test.flags == agent) {
			t.Errorf("ending %d, flags %d: by %v how %v failed %v by agent %v", test.ending, test.flags, e.By, e.How, e.Failed, e.ByAgent)
		}
	}
}

func TestDecodeFigures(t *testing.T) {
	d := newDecoder(nil)
	record := programsLifeRecord{
		Head:   headOf(programsRecordKindRECORD_FIGURES, unix.IPPROTO_TCP, uint8(programsRecordFlagRECORD_MID_LIFE)),
		Cgroup: 3, OpenedNs: 1e9, LastInNs: 4e9, BytesSent: 10, BytesReceived: 20, HandshakeUs: 1500,
		SrttUs: 250, Retransmits: 2, NextIn: 5, NextOut: 6, Pid: 77, Role: uint8(programsRoleROLE_ACCEPT),
		Comm: [16]int8{'k', 'a', 'm'},
	}
	e, err := d.decode(bytesOf(&record, ""))
	if err != nil {
		t.Fatal(err)
	}
	want := event.Counts{BytesSent: 10, BytesReceived: 20, Retransmits: 2, SRTT: 250 * time.Microsecond}
	if e.Counts != want || e.Handshake != 1500*time.Microsecond || e.NextIn != 5 || e.NextOut != 6 || e.Cgroup != 3 {
		t.Errorf("%+v", e)
	}
	if e.Owner != (event.Process{PID: 77, Name: "kam"}) || e.Initiator != event.Remote || !e.MidLife {
		t.Errorf("%+v", e)
	}
	if e.IdleIn != time.Second || e.IdleOut >= 0 {
		t.Errorf("idle %v in, %v out; want 1s, and negative for never", e.IdleIn, e.IdleOut)
	}
}

// FuzzDecode: a record of any length is an event or an error, and an event's
// payload lies in the record.
func FuzzDecode(f *testing.F) {
	data := programsDataRecord{Head: headOf(programsRecordKindRECORD_DATA, unix.IPPROTO_TCP, 0), LengthBytes: 9, CapturedBytes: 5}
	f.Add(bytesOf(&data, "hello"))
	data.CapturedBytes = 1 << 31 // no longer a positive int32
	f.Add(bytesOf(&data, "hello"))
	life := programsLifeRecord{Head: headOf(programsRecordKindRECORD_CLOSED, unix.IPPROTO_TCP, 0)}
	f.Add(bytesOf(&life, ""))
	d := newDecoder([]uint16{5061})
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := d.decode(raw)
		if err != nil {
			return
		}
		if e.Kind == 0 || e.Transport == 0 || len(e.Payload) > len(raw) || strings.Contains(e.Owner.Name, "\x00") {
			t.Errorf("%+v", e)
		}
		if len(d.names) > 4096 {
			t.Errorf("%d names kept", len(d.names))
		}
	})
}
