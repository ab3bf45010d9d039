// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/history"
	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/stream"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// connection is one TCP socket or one UDP flow. There may be a million of
// them, most of them idle: what only busy ones need is behind a pointer.
type connection struct {
	fact.Conn

	handshake time.Duration
	counts    event.Counts // the kernel's figures
	bytesIn   uint64       // seen, with what is known to be lost
	bytesOut  uint64
	lostBytes uint64

	nextIn, nextOut uint32 // sequence numbers at the opening, if established
	pairPort        uint16 // of the peer, while joined

	carried  bool // counted by the peer as one that serves requests
	joined   bool // in the table of duplicate pairs
	queued   bool // in Core.waiting
	missing  bool // the last recount did not find it
	read     bool // bytes of it were seen as plaintext
	outlived bool // a request followed the end of a dialog

	placed placement
	upkeep *upkeep        // nil if viaduct never had to keep it alive
	rested *assist.Rested // what an earlier agent knew of that, until upkeep takes it
	tally  tally

	tx      transaction.Owner
	dialogs dialog.Owner
	marks   *history.Marks   // nil if nothing is remembered
	streams *[2]half         // index by direction
	wire    *wire            // of TLS, nil before the first record
	heard   *keepalive.State // what wire.alive was, once the connection is retired

	age  chain.Link[connection]  // open, udp or closing
	sock *socket                 // UDP
	flow *chain.Link[connection] // of sock
}

// half is one direction of a TCP connection.
type half struct {
	stream.Reassembler
	framer sipparse.Framer
	last   event.Time // newest bytes, while the framer holds a decision
	lined  bool       // the newest chunk ended a line
	inside int64      // end of the newest CRLF CRLF that came by itself, after whole lines, inside a message; 0 if there is none
}

// known returns the connection that f is a part of, nil if it is retired.
func (c *Core) known(f *fact.Conn) *connection {
	conn := c.tcp[f.Socket]
	if f.Transport == event.UDP {
		conn = c.flows[flowKey{f.Socket, f.Remote}]
	}
	if conn == nil || &conn.Conn != f {
		return nil
	}
	return conn
}

// ends is [rule.World.Ends].
func (c *Core) ends(f *fact.Conn) (*transaction.Owner, *dialog.Owner) {
	if conn := c.known(f); conn != nil {
		return &conn.tx, &conn.dialogs
	}
	return new(transaction.Owner), new(dialog.Owner)
}

func index(d event.Direction) int { return int(d - event.In) }

func side(d event.Direction) event.Side { return fact.Side(d) }

// keepalives returns the connection's keep-alive state, made when first needed.
func (conn *connection) keepalives() *keepalive.State {
	if conn.Alive == nil {
		conn.Alive = new(keepalive.State)
	}
	return conn.Alive
}

// touched notes that bytes came in direction d.
func (conn *connection) touched(d event.Direction, t event.Time) {
	if d == event.In {
		conn.LastIn = max(conn.LastIn, t)
		return
	}
	conn.LastOut = max(conn.LastOut, t)
}

// add counts bytes in direction d.
func (conn *connection) add(d event.Direction, n int) {
	if d == event.In {
		conn.bytesIn += uint64(n)
		return
	}
	conn.bytesOut += uint64(n)
}

// silence is the time from the last byte either way to t, or from the opening
// if there never was one. It is negative if not even that is known.
func (conn *connection) silence(t event.Time) time.Duration {
	last := max(conn.LastIn, conn.LastOut)
	if last == 0 {
		last = conn.OpenedAt
	}
	if last == 0 {
		return -1
	}
	return max(0, t.Sub(last))
}

// inMessage says whether a message has begun in either direction, and not ended.
func (conn *connection) inMessage() bool {
	return conn.streams != nil && (conn.streams[0].framer.InMessage() || conn.streams[1].framer.InMessage())
}

func (conn *connection) setOwner(e *event.Event) {
	if e.Owner.PID != 0 {
		conn.Owner = e.Owner
	}
	conn.setContainer(e)
	if e.NetNS != 0 && !conn.joined { // it is part of the key there
		conn.NetNS = e.NetNS
	}
}

// setContainer takes the container that e names, if it does.
func (conn *connection) setContainer(e *event.Event) {
	if e.Container != nil {
		conn.Inside = e.Container
	}
}

// figures takes what the kernel counts.
func (conn *connection) figures(e *event.Event) {
	if e.Transport == event.TLS {
		conn.Transport = event.TLS
	}
	if e.Counts != (event.Counts{}) {
		conn.counts = e.Counts
	}
	if conn.streams != nil || conn.wire != nil || e.Time == 0 {
		return // seen here, and to the point
	}
	if e.IdleIn >= 0 && (e.IdleIn != 0 || e.Counts.BytesReceived != 0) {
		conn.LastIn = max(conn.LastIn, e.Time.Add(-e.IdleIn))
	}
	if e.IdleOut >= 0 && (e.IdleOut != 0 || e.Counts.BytesSent != 0) {
		conn.LastOut = max(conn.LastOut, e.Time.Add(-e.IdleOut))
	}
}
