// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/tlswire"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Where the plaintext of a TLS connection cannot be had, keep-alives show by
// the lengths of their records, if the cipher adds a fixed number of bytes. No
// rule looks at what is only told so.

const (
	pingBytes, pongBytes, alertBytes = 4, 2, 2
	// finished1 and finished2 are a client's last message of TLS 1.3's
	// handshake, by hash (RFC 8446 section 4.4.4).
	finished1, finished2 = 4 + 32, 4 + 48
	// alertWait is how long after a record of a pong's length a FIN may follow
	// that makes it a closure alert: in TLS 1.3 both have two bytes.
	alertWait = 2 * time.Second
	// unseenAlert is a record with an alert in TLS 1.3, but for its header, where
	// the handshake was not seen: nearly all its cipher suites add as much.
	unseenAlert = alertBytes + 1 + 16
)

// lengths is what is remembered of one direction.
type lengths struct {
	held   event.Time // a pong, unless a FIN follows; 0 if there is none
	alert  event.Time // the newest record, if it may be an alert; else 0
	before event.Time // when bytes came before that
	full   bool       // the newest record was as long as can be: the next one is the rest of it
	opened bool       // TLS 1.3: the client has finished its handshake
}

// sealed takes a record of application data whose content, with what the
// cipher adds, has so many bytes.
func (c *Core) sealed(conn *connection, d event.Direction, t event.Time, length int) {
	w := conn.wire
	h := &w.dirs[index(d)]
	if h.held != 0 {
		c.settlePong(conn, d) // something followed, so it was no last word
	}
	overhead, known := tlswire.Overhead(w.Version, w.Suite)
	conn.mayAlert(d, t, w.Version == tlswire.TLS13 && known && length-overhead == alertBytes || w.Version == 0 && length == unseenAlert)
	w.MayAlert[index(d)] = !known || length-overhead == alertBytes
	if !known || conn.read || conn.EndedAt != 0 {
		return
	}
	plain := length - overhead
	rest := h.full
	h.full = plain == tlswire.FullPlaintext
	switch {
	case plain == finished1 || plain == finished2:
		h.opened = true
	case rest:
	case w.Early && !h.opened && w.FromClient(index(d)):
		// What ends the early data is as long as a ping (RFC 8446 section 4.5).
	case plain == pingBytes:
		c.heardPing(conn, d, t)
	case plain == pongBytes && w.alive != nil && w.alive.Awaits(d):
		h.held = t
		if w.Version != tlswire.TLS13 { // alerts show by their type
			c.settlePong(conn, d)
			return
		}
		c.await(conn)
	}
}

func (c *Core) heardPing(conn *connection, d event.Direction, t event.Time) {
	w := conn.wire
	if w.alive == nil {
		w.alive = new(keepalive.State)
	}
	if w.alive.Ping(d, t) {
		c.peerOf(conn).Keepalives[metrics.Application][keepalive.Ping][d]++
		return
	}
	c.peerOf(conn).Keepalives[metrics.Application][keepalive.Pong][d] += 2
}

// settlePong counts what was held: it was no alert.
func (c *Core) settlePong(conn *connection, d event.Direction) {
	h := &conn.wire.dirs[index(d)]
	at := h.held
	h.held = 0
	if rtt, ok := conn.wire.alive.Pong(d, at); ok {
		c.peerOf(conn).Keepalives[metrics.Application][keepalive.Pong][d]++
		c.peerOf(conn).RoundTrip.Observe(rtt.Seconds())
	}
}

// mayAlert notes a record that is an alert, or may be one.
func (conn *connection) mayAlert(d event.Direction, t event.Time, may bool) {
	h := &conn.wire.dirs[index(d)]
	h.alert, h.before = 0, conn.LastIn
	if d == event.Out {
		h.before = conn.LastOut
	}
	if may {
		h.alert = t
	}
}

// lastWord drops what was held of the side that ends the connection at t: it was
// its closure alert, which belongs to the end and is no sign of use. So does the
// other side's answer to it, where the end is told of late.
func (conn *connection) lastWord(by event.Side, t event.Time) {
	if conn.wire == nil {
		return
	}
	for i := range conn.wire.dirs {
		h, d := &conn.wire.dirs[i], event.In+event.Direction(i)
		closes := by == event.Unknown || by == side(d)
		if closes {
			h.held = 0
		}
		if h.alert == 0 || t.Sub(h.alert).Abs() > alertWait || !closes && h.alert < t {
			continue
		}
		if d == event.In {
			conn.LastIn = h.before
		} else {
			conn.LastOut = h.before
		}
	}
}

// beats are the keep-alives of conn, and whether they are told by length only.
func (conn *connection) beats() (alive *keepalive.State, byLength bool) {
	switch {
	case conn.Alive != nil:
		return conn.Alive, false
	case conn.wire != nil && conn.wire.alive != nil:
		return conn.wire.alive, true
	}
	return conn.heard, conn.heard != nil
}
