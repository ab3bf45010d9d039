// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/event"
)

// decoder turns records into events. It owns the one event that it returns.
type decoder struct {
	record   ringbuf.Record
	event    event.Event
	epoch    event.Time // of the boot clock's zero
	tlsPorts map[uint16]bool
	names    map[[16]int8]string
}

func newDecoder(tlsPorts []uint16) decoder {
	d := decoder{epoch: bootEpoch(), tlsPorts: make(map[uint16]bool), names: make(map[[16]int8]string)}
	for _, port := range tlsPorts {
		d.tlsPorts[port] = true
	}
	return d
}

// bootEpoch is measured once: a later step of the wall clock must not bend the
// intervals between events.
func bootEpoch() event.Time {
	var boot unix.Timespec
	// Fails only for a clock that the kernel does not have; it came with 2.6.39.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)
	return event.At(time.Now()).Add(-time.Duration(boot.Nano()))
}

func (d *decoder) at(ns uint64) event.Time {
	if ns == 0 {
		return 0
	}
	return d.epoch + event.Time(ns)
}

// decode returns the decoder's event, which views raw.
func (d *decoder) decode(raw []byte) (*event.Event, error) {
	if len(raw) < int(unsafe.Sizeof(programsRecordHead{})) {
		return nil, fmt.Errorf("decode a record: %d bytes are shorter than its head", len(raw))
	}
	head := (*programsRecordHead)(unsafe.Pointer(&raw[0]))
	d.event = event.Event{
		Time:      d.at(head.TimeNs),
		Socket:    head.Cookie,
		NetNS:     head.Netns,
		Local:     netip.AddrPortFrom(netip.AddrFrom16(head.Local).Unmap(), head.LocalPort),
		Remote:    netip.AddrPortFrom(netip.AddrFrom16(head.Remote).Unmap(), head.RemotePort),
		Direction: directions[head.Direction&3],
		MidLife:   head.Flags&uint8(programsRecordFlagRECORD_MID_LIFE) != 0,
		Failed:    head.Flags&uint8(programsRecordFlagRECORD_FAILED) != 0,
		Lost:      head.Flags&uint8(programsRecordFlagRECORD_LOST) != 0,
		ByAgent:   head.Flags&uint8(programsRecordFlagRECORD_BY_AGENT) != 0,
		Own:       head.Flags&uint8(programsRecordFlagRECORD_OWN) != 0,
	}
	d.event.Transport = d.transport(head)
	switch programsRecordKind(head.Kind) {
	case programsRecordKindRECORD_DATA:
		return &d.event, d.decodeData(raw, event.Data)
	case programsRecordKindRECORD_WIRE:
		return &d.event, d.decodeData(raw, event.Record)
	}
	return &d.event, d.decodeLife(raw)
}

var directions = [4]event.Direction{
	programsDirectionDIRECTION_IN:  event.In,
	programsDirectionDIRECTION_OUT: event.Out,
}

func (d *decoder) transport(head *programsRecordHead) event.Transport {
	switch {
	case head.Protocol == unix.IPPROTO_UDP:
		return event.UDP
	case head.Flags&uint8(programsRecordFlagRECORD_TLS) != 0:
		return event.TLS
	case head.Flags&uint8(programsRecordFlagRECORD_SPOKE) == 0 &&
		(d.tlsPorts[head.LocalPort] || d.tlsPorts[head.RemotePort]):
		return event.TLS
	}
	return event.TCP
}

func (d *decoder) decodeData(raw []byte, k event.Kind) error {
	size := int(unsafe.Sizeof(programsDataRecord{}))
	if len(raw) < size {
		return fmt.Errorf("decode a data record: %d bytes, at least %d expected", len(raw), size)
	}
	data := (*programsDataRecord)(unsafe.Pointer(&raw[0]))
	if int(data.CapturedBytes) > len(raw)-size {
		return fmt.Errorf("decode a data record: %d bytes captured, room for %d", data.CapturedBytes, len(raw)-size)
	}
	d.event.Kind = k
	d.event.Seq = data.Seq
	d.event.Length = int(data.LengthBytes)
	d.event.Payload = raw[size : size+int(data.CapturedBytes)]
	return nil
}

var lifeKinds = map[programsRecordKind]event.Kind{
	programsRecordKindRECORD_OPENED:      event.Opened,
	programsRecordKindRECORD_HALF_CLOSED: event.HalfClosed,
	programsRecordKindRECORD_CLOSED:      event.Closed,
	programsRecordKindRECORD_OWNER:       event.Owner,
	programsRecordKindRECORD_FIGURES:     event.Figures,
	programsRecordKindRECORD_LISTENING:   event.Listening,
}

func (d *decoder) decodeLife(raw []byte) error {
	if len(raw) < int(unsafe.Sizeof(programsLifeRecord{})) {
		return fmt.Errorf("decode a life-cycle record: %d bytes, %d expected", len(raw), unsafe.Sizeof(programsLifeRecord{}))
	}
	life := (*programsLifeRecord)(unsafe.Pointer(&raw[0]))
	e := &d.event
	var known bool
	if e.Kind, known = lifeKinds[programsRecordKind(life.Head.Kind)]; !known {
		return fmt.Errorf("decode a record: kind %d is not known", life.Head.Kind)
	}
	e.Cgroup = life.Cgroup
	e.OpenedAt = d.at(life.OpenedNs)
	e.Handshake = time.Duration(life.HandshakeUs) * time.Microsecond
	e.NextIn, e.NextOut = life.NextIn, life.NextOut
	e.Owner = event.Process{PID: life.Pid, Name: d.name(life.Comm)}
	e.Initiator = initiators[programsRole(life.Role)]
	e.Exiting = life.Exiting != 0
	end := endings[programsEnding(life.Ending)]
	e.By, e.How = end.by, end.how
	if e.Failed && e.How == event.Timeout && end.by == event.Local && programsEnding(life.Ending) == programsEndingENDING_TIMEOUT {
		e.By = event.Unknown // nobody answered; no side closed
	}
	e.IdleIn = idle(life.Head.TimeNs, life.LastInNs)
	e.IdleOut = idle(life.Head.TimeNs, life.LastOutNs)
	e.Counts = event.Counts{
		BytesSent:     life.BytesSent,
		BytesReceived: life.BytesReceived,
		Retransmits:   life.Retransmits,
		Probes:        life.Probes,
		SRTT:          time.Duration(life.SrttUs) * time.Microsecond,
	}
	return nil
}

var initiators = map[programsRole]event.Side{
	programsRoleROLE_CONNECT: event.Local,
	programsRoleROLE_ACCEPT:  event.Remote,
}

var endings = map[programsEnding]struct {
	by  event.Side
	how event.How
}{
	programsEndingENDING_FIN_LOCAL:   {event.Local, event.FIN},
	programsEndingENDING_FIN_REMOTE:  {event.Remote, event.FIN},
	programsEndingENDING_RST_LOCAL:   {event.Local, event.RST},
	programsEndingENDING_RST_REMOTE:  {event.Remote, event.RST},
	programsEndingENDING_TIMEOUT:     {event.Local, event.Timeout},
	programsEndingENDING_REFUSED:     {event.Remote, event.Refused},
	programsEndingENDING_UNREACHABLE: {event.Unknown, event.Unreachable},
	programsEndingENDING_GAVE_UP:     {event.Local, event.Timeout},
}

func idle(now, last uint64) time.Duration {
	if last == 0 {
		return -1
	}
	return time.Duration(now - last)
}

// name makes one string for each program name; hosts run few programs, and the
// table is emptied rather than trusted to stay small.
func (d *decoder) name(comm [16]int8) string {
	if name, ok := d.names[comm]; ok {
		return name
	}
	if len(d.names) >= 4096 {
		clear(d.names)
	}
	b := (*[16]byte)(unsafe.Pointer(&comm))[:]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	d.names[comm] = string(b)
	return d.names[comm]
}
