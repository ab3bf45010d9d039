// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/internal/event"
)

// A Binding request that is not answered goes out again (RFC 8489 section
// 6.2.1):
//
//	copy   1    2     3     4     5     6      7      given up
//	ms     0  500  1500  3500  7500 15500  31500         39500
const (
	rto = 500 * time.Millisecond
	rc  = 7  // copies
	rm  = 16 // times rto after the last
)

// binding is the newest transaction of a UDP flow.
type binding struct {
	id     [12]byte
	open   bool
	copies uint8
	first  event.Time // 0 until the first copy has gone
	mapped netip.AddrPort
}

// next is when the next copy is due, or when the transaction fails.
func (b *binding) next() event.Time {
	if b.copies >= rc {
		return b.first.Add(rto*(1<<(rc-1)-1) + rm*rto)
	}
	return b.first.Add(rto * (1<<b.copies - 1))
}

// ID draws the transaction id of a new request, or returns that of the one
// under way.
func (f *Flow) ID(r *rand.Rand) [12]byte {
	if f.stun == nil {
		f.stun = new(binding)
	}
	if b := f.stun; !b.open {
		for again := true; again; again = token(b.id[11]) {
			binary.BigEndian.PutUint64(b.id[:], r.Uint64())
			binary.BigEndian.PutUint32(b.id[8:], r.Uint32())
		}
		b.copies = 0
	}
	return f.stun.id
}

// token says whether c may be part of a SIP method (RFC 3261 section 25.1). No
// request of viaduct's ends with such a byte: linphone keeps what it does not
// understand in front of the next message, and would read COPTIONS.
func token(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || bytes.IndexByte([]byte("-.!%*_+`'~"), c) >= 0
}

// retransmission is Look while a transaction is open.
func (f *Flow) retransmission(now event.Time) Step {
	b := f.stun
	switch {
	case max(b.next(), f.until) > now:
		return Wait
	case b.copies < rc:
		return Again
	}
	f.Unanswered++
	f.stop(now)
	return GaveUp
}

// stop ends the keep-alives until they are agreed anew.
func (f *Flow) stop(now event.Time) { f.State, f.stopped, f.stun.open = Stopped, now, false }

// StoppedAt is when the flow was stopped, 0 if it is not.
func (f *Flow) StoppedAt() event.Time {
	if f.State != Stopped {
		return 0
	}
	return f.stopped
}

// copied takes a copy of the request that went out at t.
func (f *Flow) copied(t event.Time, r *rand.Rand) (gap time.Duration) {
	b := f.stun
	if b.copies > 0 {
		b.copies++
		return 0
	}
	gap = f.gap(t)
	f.Own++
	f.note(t)
	if b.first == 0 || b.first > t || t.Sub(b.first) > rto { // it was not seen meanwhile
		b.first = t
	}
	b.open, b.copies = b.id != [12]byte{}, 1
	f.redraw(r)
	return gap
}

// Requested notes that a Binding request of viaduct's was seen to go out. One
// that nobody here asked for was an earlier process's.
func (f *Flow) Requested(id [12]byte, t event.Time, r *rand.Rand) {
	if f.stun == nil {
		f.stun = new(binding)
	}
	switch b := f.stun; {
	case b.id == id:
		if b.copies == 0 || b.copies == 1 && t < b.first {
			b.first = t
		}
	case !b.open && f.asked == 0:
		b.id, b.first, b.copies = id, t, 0
		f.copied(t, r)
	}
}

// Answer is what a Binding response says.
type Answer uint8

const (
	Foreign Answer = iota // it answers nothing that waits
	Same                  // the flow is as it was
	Changed               // the address that the peer sees is another one: the flow has failed (RFC 5626 section 4.4.2)
	Error                 // an error response: the flow has failed and is stopped (same section)
)

// Response takes a Binding response. On Changed, before is the address that
// the peer had seen until then.
func (f *Flow) Response(m *keepalive.Binding, t event.Time) (a Answer, before netip.AddrPort) {
	b := f.stun
	if b == nil || m.ID != b.id || b.first == 0 || !b.open && f.asked == 0 {
		return Foreign, before
	}
	b.open = false
	b.id = [12]byte{}
	f.Answered++
	f.recovered()
	f.RTT = 0
	if b.copies <= 1 { // else nobody knows which copy it answers (RFC 8489 section 6.2.1)
		f.RTT = max(0, t.Sub(b.first))
	}
	if m.Error() {
		f.stop(t)
		return Error, before
	}
	before = b.mapped
	if m.Mapped.IsValid() {
		b.mapped = m.Mapped
	}
	if before.IsValid() && m.Mapped.IsValid() && before != m.Mapped {
		return Changed, before
	}
	return Same, before
}

// Mapped is the address that the peer sees, as far as it has said so.
func (f *Flow) Mapped() netip.AddrPort {
	if f.stun == nil {
		return netip.AddrPort{}
	}
	return f.stun.mapped
}
