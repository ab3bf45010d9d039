// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"fmt"
	"unsafe"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/tlsbind"
)

// Handler takes what the probes saw, in order.
type Handler struct {
	Call   func(*tlsbind.Call)                        // reused
	Gone   func(session tlsbind.Session, shared bool) // the library's object was freed, which others may share
	Forked func(child uint32)                         // of a process that is followed
	Mover  func(pid uint32, address uint64, shape Shape)
}

type decoder struct {
	epoch  event.Time
	call   tlsbind.Call
	memory memory
}

var directions = map[programsDirection]event.Direction{
	programsDirectionDIRECTION_IN:  event.In,
	programsDirectionDIRECTION_OUT: event.Out,
}

// Decode hands a record of the ring to h.
func (l *Probes) Decode(raw []byte, h *Handler) error { return l.decoder.decode(raw, h) }

func (d *decoder) decode(raw []byte, h *Handler) error {
	size := int(unsafe.Sizeof(programsPlainRecord{}))
	if len(raw) < size {
		return fmt.Errorf("decode a record of plaintext: %d bytes, at least %d expected", len(raw), size)
	}
	r := (*programsPlainRecord)(unsafe.Pointer(&raw[0]))
	switch programsPlainKind(r.Head.Kind) {
	case programsPlainKindPLAIN_GONE:
		now := d.epoch + event.Time(r.Head.TimeNs)
		h.Gone(tlsbind.Session{PID: r.Pid, Address: r.Session}, d.memory.shared(r.Pid, r.Session, now))
		return nil
	case programsPlainKindPLAIN_FORKED:
		h.Forked(r.Pid)
		return nil
	case programsPlainKindPLAIN_MOVER:
		h.Mover(r.Pid, r.Session, Shape(r.Mover))
		return nil
	case programsPlainKindPLAIN_DATA:
	default:
		return fmt.Errorf("decode a record of plaintext: kind %d is not known", r.Head.Kind)
	}
	direction, ok := directions[programsDirection(r.Head.Direction)]
	if !ok || int(r.CapturedBytes) > len(raw)-size {
		return fmt.Errorf("decode a record of plaintext: direction %d, %d bytes captured, room for %d", r.Head.Direction, r.CapturedBytes, len(raw)-size)
	}
	d.call = tlsbind.Call{
		Time:      d.epoch + event.Time(r.Head.TimeNs),
		Session:   tlsbind.Session{PID: r.Pid, Address: r.Session},
		Direction: direction, Length: int(r.LengthBytes), Lost: int(r.LostBytes),
		Payload:     raw[size : size+int(r.CapturedBytes)],
		HasFragment: r.HasFragment != 0, Fragment: r.Fragment, Closes: r.Closes != 0,
	}
	h.Call(&d.call)
	return nil
}
