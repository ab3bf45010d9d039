// SPDX-License-Identifier: Apache-2.0

package track

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// conn is one TCP connection, whichever of its ends are this host's. Ends are
// numbered as in its pair.
type conn struct {
	pair    pair
	ends    [2]end
	views   [2]view
	sockets int // how many views there are

	opener      int // end, or nobody
	finBy       int // the end whose FIN was first, or nobody
	verdict     verdict
	spoke       bool // payload was seen
	midLife     bool // older than the capture
	sideless    bool
	established bool // the handshake is over
	gone        bool // closed, failed or given up: late packets find it for a while
	reset       bool
	queued      bool // in Tracker.waiting
	syns        uint8
	failable    bool // its failure to connect would be told

	syn    event.Time // the first SYN, 0 if not seen
	synAck event.Time // the last one
	last   event.Time // packet
	due    event.Time // when waiting is over, 0 if it is not waiting
	heads  *[2]head   // while the verdict is open

	unseenAt event.Time // when the oldest bytes were acknowledged that no frame has shown, 0 if there are none
}

const nobody = -1

// end is what one end sent.
type end struct {
	first   uint32 // sequence number of the first byte it may send, if known
	next    uint32 // of what follows the bytes that were all seen, if started
	high    uint32 // of what follows the last byte seen, if started
	acked   uint32 // by the other end, if started
	finSeq  uint32
	known   bool
	started bool
	fin     bool
	tries   uint8
	resent  uint32 // segments seen again
	sent    uint64 // payload bytes, up to high
	record  record // of TLS
	unseen  unseen
	lastAt  event.Time // last new payload, 0 if none
}

// view is one socket of this host: a connection within it has two.
type view struct {
	socket    uint64
	local     int // its end
	handshake time.Duration
	connected bool
	told      bool // Opened was emitted
	doubted   bool // the core knows that bytes are missing
	closed    bool
}

func (c *conn) addr(end int) netip.AddrPort {
	if end == 0 {
		return c.pair.a
	}
	return c.pair.b
}

// closing says that only the last ACK is missing.
func (c *conn) closing() bool { return c.ends[0].fin && c.ends[1].fin && !c.gone }

// connecting says that nobody has answered so far.
func (c *conn) connecting() bool {
	return !c.gone && !c.established && !c.midLife && c.synAck == 0 && c.opener != nobody
}

// inOrder is the i-th view, of which the sender's is the first.
func (c *conn) inOrder(i, from int) *view {
	if c.sockets == 2 && c.views[0].local != from {
		i = 1 - i
	}
	return &c.views[i]
}

// followed says that the core was told, or will be.
func (c *conn) followed() bool { return !c.gone && (c.verdict == isSIP || c.verdict == isTLS) }

// newConn makes a connection. local takes the local place if no end is known
// to be this host's.
func (t *Tracker) newConn(k pair, local int, now event.Time) *conn {
	if before := t.tcp.get(k); before != nil {
		t.replaced(before, now)
	}
	c := &conn{pair: k, opener: nobody, finBy: nobody, last: now}
	for end := range 2 {
		if t.isLocal(c.addr(end).Addr()) {
			c.views[c.sockets] = view{socket: t.number(), local: end}
			c.sockets++
		}
	}
	if c.sockets == 0 {
		c.sideless, c.sockets = true, 1
		c.views[0] = view{socket: t.number(), local: local}
	}
	t.tcp.put(k, c)
	return c
}

// start reserves the numbering of an end, whose first byte is at seq.
func (e *end) start(seq uint32) {
	if !e.started {
		e.started, e.next, e.high, e.acked = true, seq, seq, seq
	}
}

// plausible is how far ahead a segment or an acknowledgement may be, as for
// the core: packets are seen before TCP has checked them.
const plausible = 16 << 20

// took notes payload that was seen, and says whether there was any news in it.
func (e *end) took(seq uint32, length int) bool {
	e.start(seq)
	e.unseen.fills(seq, length)
	end := seq + uint32(length)
	ahead := int32(end - e.high)
	if ahead > plausible {
		return true // the core decides
	}
	if ahead <= 0 {
		// Bytes in front of next were there before. Those behind it fill a
		// hole: late, or sent again, which does not show.
		if int32(end-e.next) <= 0 {
			if length > 1 || end != e.high { // a probe of TCP's keepalive sends the last byte again
				e.resent++
			}
			return false
		}
	}
	if int32(seq-e.next) <= 0 {
		e.next = end
	}
	if ahead > 0 {
		e.sent += uint64(ahead)
		e.high = end
	}
	return true
}

// confirmed notes an acknowledgement of what e sent. The FIN takes a number.
func (e *end) confirmed(ack uint32) {
	if !e.started {
		return
	}
	if e.fin && int32(ack-e.finSeq) > 0 {
		ack = e.finSeq
	}
	if ahead := int32(ack - e.high); ahead > plausible {
		return
	} else if ahead > 0 && !e.fin && e.known { // not captured, but received
		e.sent += uint64(ahead)
		e.high = ack
	}
	if int32(ack-e.acked) > 0 {
		e.acked = ack
	}
	if int32(e.acked-e.next) > 0 {
		e.next = e.acked // no hole before it is open any more
	}
}
