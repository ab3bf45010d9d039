// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/history"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/peer"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// The functions below show the rules what happened, after the core's own state
// has taken it in. Dialogs are shown before the message that began or ended
// them.

func (c *Core) judge(k rule.Kind, conn *connection, t event.Time) {
	c.place(conn)
	if c.rules.Wants(k) {
		c.scene = rule.Scene{Now: t, Conn: &conn.Conn}
		c.rules.Show(k, &c.scene)
	}
}

// judgePlaced is judge for a connection that may be in the middle of something
// else: it has a scene of its own.
func (c *Core) judgePlaced(conn *connection) {
	c.review(conn, max(conn.First, conn.LastIn, conn.LastOut, c.now))
	if c.rules.Wants(rule.Placed) {
		c.rules.Show(rule.Placed, &rule.Scene{Now: max(conn.First, conn.LastIn, conn.LastOut), Conn: &conn.Conn})
	}
}

func (c *Core) judgeMessage(k rule.Kind, conn *connection, d event.Direction, t event.Time, tx *transaction.Transaction, v transaction.Verdict) {
	c.markMessage(conn, d, t, &c.msg, v)
	c.scene = rule.Scene{Now: t, Conn: &conn.Conn, Dir: d, Local: c.localEnd(conn), Msg: &c.msg, Tx: tx, Verdict: v}
	c.rules.Show(k, &c.scene)
}

// localEnd is this host's end of the message of the moment.
func (c *Core) localEnd(conn *connection) netip.AddrPort {
	if conn.Transport == event.UDP {
		return c.local
	}
	return conn.Local
}

func (c *Core) judgeUnanswered(tx *transaction.Transaction, t event.Time) {
	c.harmedBehind(tx, t)
	if c.rules.Wants(rule.TimedOut) {
		c.scene = rule.Scene{Now: t, Conn: tx.Conn, Dir: tx.Dir, Tx: tx}
		c.rules.Show(rule.TimedOut, &c.scene)
	}
}

func (c *Core) judgeDialog(k rule.Kind, conn *connection, d event.Direction, t event.Time, g *dialog.Dialog) {
	c.scene = rule.Scene{Now: t, Conn: &conn.Conn, Dir: d, Msg: &c.msg, Dialog: g}
	c.rules.Show(k, &c.scene)
}

func (c *Core) judgeBeat(conn *connection, d event.Direction, t event.Time, b rule.Beat) {
	switch b.Kind {
	case keepalive.Ping, keepalive.Datagram, keepalive.StunRequest, keepalive.StunOther:
		if !b.Again {
			conn.Neg.Beat(d, t)
			c.cadence(conn, d, t)
			if d == event.Out {
				c.assisted(conn, t)
			}
		}
	}
	c.markBeat(conn, d, t, b)
	c.scene = rule.Scene{Now: t, Conn: &conn.Conn, Dir: d, Beat: b}
	c.rules.Show(rule.Beaten, &c.scene)
}

// cadence notes the time since the last keep-alive of the same side.
func (c *Core) cadence(conn *connection, d event.Direction, t event.Time) {
	p := conn.Peer
	if p == nil || conn.Alive == nil || conn.Incomplete {
		return
	}
	sent := conn.Alive.Sent(d)
	if sent.Last != t || sent.Gap == 0 {
		return
	}
	promised := conn.Neg.Beats(d, t)
	seconds := promised.Seconds
	if seconds == 0 {
		seconds = promised.Timer
	}
	if seconds > 0 && (d == event.In || conn.upkeep == nil) { // else countKept does
		c.peerOf(conn).Interval[d].Observe(sent.Gap.Seconds() / float64(seconds))
	}
	if d != event.In {
		return
	}
	if p.Beats == nil {
		p.Beats = new(peer.Beats)
	}
	p.Beats.Add(sent.Gap, seconds)
}

func (c *Core) judgeDefect(conn *connection, d event.Direction, t event.Time, item *sipparse.Item) {
	if item.Kind == sipparse.ItemDefect {
		c.mark(conn, t, history.What{Kind: history.Malformed, Dir: d})
	}
	shown := *item // a copy, so that the items of clean streams stay off the heap
	c.scene = rule.Scene{Now: t, Conn: &conn.Conn, Dir: d, Item: &shown}
	if conn.streams != nil {
		c.scene.Inside = conn.streams[index(d)].inside
	}
	c.rules.Show(rule.Defect, &c.scene)
}
