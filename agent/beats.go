// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// quiet is how long the program must not have written anything before a
	// ping goes into its stream: it may be about to write the rest.
	quiet = 200 * time.Millisecond
	// maxBeats bounds what Beats returns at once, and so how long it takes.
	maxBeats = 1024
)

// Beats returns the keep-alives that are due at now. Dry runs are answered
// here; what is returned is to be sent, if Still says so at that moment, and
// told to Acted. Ask again at once if there are as many as MaxBeats, else at
// NextBeat.
func (c *Core) Beats(now event.Time) []rule.Wish {
	var due []rule.Wish
	for len(c.beats) > 0 && c.beats[0].at <= now && len(due) < maxBeats {
		u := c.beats[0]
		if w, ok := c.look(u, now); ok {
			due = append(due, w)
		}
		if u.slot >= 0 {
			c.plan(u)
		}
		if u.slot >= 0 && u.at <= now { // it is as it was: do not turn in circles
			u.Busy(now)
			c.plan(u)
		}
	}
	return due
}

// NextBeat is when the next keep-alive is due, 0 if none is.
func (c *Core) NextBeat() event.Time {
	if len(c.beats) == 0 {
		return 0
	}
	return c.beats[0].at
}

// Writes says whether a keep-alive has been due, or will be, that is written
// to a socket: what that takes can be made ready before.
func (c *Core) Writes() bool { return c.writes }

// look does what is due on u at now, and returns the keep-alive that is to be
// sent, if any.
func (c *Core) look(u *upkeep, now event.Time) (w rule.Wish, ok bool) {
	conn := u.conn
	c.review(conn, now)
	for u.slot >= 0 && u.at <= now {
		if conn.queued && conn.streams != nil {
			c.expireStreams(conn, now) // a lone CRLF may be the pong
		}
		switch step := u.Look(now, conn.Peer.Answers, !conn.Missing()); step {
		case assist.Unanswered:
			c.peerOf(conn).Unanswered[keepalive.Ping]++
			if u.State == assist.Failed {
				c.upkeepJudged(conn, now, rule.Upkeep{Unanswered: true, After: keepalive.PongWait})
			}
			c.plan(u)
		case assist.GaveUp:
			c.peerOf(conn).Unanswered[keepalive.StunRequest]++
			c.upkeepJudged(conn, now, rule.Upkeep{Unanswered: true, After: keepalive.StunWait})
			c.unplan(u)
		case assist.Send, assist.Again:
			return c.wish(u, step, now)
		default:
			c.plan(u)
			return w, false
		}
	}
	return w, false
}

var actionOf = [...]rule.Action{assist.TCP: rule.KeepaliveTCP, assist.CRLF: rule.KeepaliveCRLF, assist.STUN: rule.KeepaliveSTUN}

// wish is the keep-alive that is due on u, unless it cannot go now or is not to.
func (c *Core) wish(u *upkeep, step assist.Step, now event.Time) (w rule.Wish, ok bool) {
	conn := u.conn
	w = rule.Wish{Action: actionOf[u.Method], Conn: &conn.Conn, Mode: conn.Row.Enforce}
	if w.Mode == policy.DryRun {
		c.Acted(&w, Skipped, "dry-run: "+u.because(), now)
		return w, false
	}
	switch u.Method {
	case assist.CRLF:
		seq, err := conn.boundary(now)
		if err != nil {
			u.Busy(now)
			u.stuck = u.Stuck() && err == errInside
			return w, false
		}
		w.Seq = seq
	case assist.STUN:
		w.ID, w.Swallow = u.ID(c.rand), conn.Row.Keepalive.SwallowStunAnswers
	case assist.TCP:
		u.Probes(c.rand)
		w.Probe = c.probe(conn, now)
	}
	w.Reason = u.because()
	u.Asked(now)
	return w, true
}

// because says why a keep-alive is due, and why by these means.
func (u *upkeep) because() string {
	why := fmt.Sprintf("every %s by %s", u.Terms.Interval, u.Terms.Basis)
	if u.App == 0 {
		return fmt.Sprintf("%s, and the program sends none; %s: %s", why, u.Method, u.Why)
	}
	return fmt.Sprintf("%s, and the program's is late; %s: %s", why, u.Method, u.Why)
}

var errInside = errors.New("the stream is not known to stand between two messages")

// boundary returns the sequence number at which a ping may be put into what
// this host sends, or why it may not be now.
func (conn *connection) boundary(now event.Time) (seq uint32, err error) {
	if conn.streams == nil {
		return 0, errInside
	}
	h := &conn.streams[index(event.Out)]
	seq, known := h.Next()
	_, hole := h.Waiting()
	switch {
	case !known || hole || h.last != 0 || !h.framer.AtBoundary():
		return 0, errInside
	case conn.LastOut != 0 && now.Sub(conn.LastOut) < quiet:
		return 0, errors.New("the program is writing")
	}
	return seq, nil
}

// probe is what is set on the socket of conn: what its row wants for
// persistent connections, probed as often as keep-alives are owed.
func (c *Core) probe(conn *connection, now event.Time) policy.TCPKeepalive {
	var p policy.TCPKeepalive
	if want := conn.Row.Persistent.TCPKeepalive; want.Idle > 0 && c.expectedOf(&conn.Conn, now) == class.Persistent {
		p = want
	}
	u := conn.upkeep
	if u == nil || u.Idle == 0 || u.Method != assist.TCP || p.Idle > 0 && p.Idle <= u.Idle {
		return p
	}
	if p.Idle > 0 {
		p.Idle = u.Idle
		return p
	}
	return u.Tolerant(conn.Row.Keepalive.CloseOnFailure)
}

// stillBeat is Still for a keep-alive.
func (c *Core) stillBeat(conn *connection, w *rule.Wish, now event.Time) error {
	u := conn.upkeep
	if u == nil || actionOf[u.Method] != w.Action {
		return errors.New("it is kept alive otherwise now")
	}
	if _, ok := c.owed(conn, now); !ok {
		return errors.New("nothing is owed any more")
	}
	if u.Active() && now.Sub(u.Last) < u.Terms.Interval {
		return errors.New("the program has sent its own")
	}
	if w.Action == rule.KeepaliveCRLF {
		seq, err := conn.boundary(now)
		if err == nil && seq != w.Seq {
			err = errors.New("the program has written")
		}
		return err
	}
	return nil
}

// actedBeat takes what became of a keep-alive.
func (c *Core) actedBeat(w *rule.Wish, o Outcome, now event.Time) {
	conn := c.known(w.Conn)
	if conn == nil || conn.upkeep == nil || actionOf[conn.upkeep.Method] != w.Action {
		return
	}
	u := conn.upkeep
	switch {
	case w.Mode == policy.DryRun:
		u.Pretend(now, c.rand)
	case o == Done:
		if late, first := u.Late(now); first && u.Method != assist.TCP {
			c.late.Observe(late.Seconds())
		}
		if gap := u.Done(now, c.rand); gap > 0 {
			c.countKept(u, gap)
		}
		switch w.Action {
		case rule.KeepaliveCRLF:
			c.peerOf(conn).Keepalives[metrics.Viaduct][keepalive.Ping][event.Out]++
		case rule.KeepaliveSTUN:
			c.peerOf(conn).Keepalives[metrics.Viaduct][keepalive.StunRequest][event.Out]++
		}
	case o == Skipped:
		u.Busy(now)
	default:
		u.refused = u.refused || w.Action == rule.KeepaliveCRLF
		u.Refused(now)
		c.review(conn, now)
	}
	if u.slot >= 0 {
		c.plan(u)
	}
}

// Stands tells that what w asks for is so already: nothing was done.
func (c *Core) Stands(w *rule.Wish, now event.Time) {
	if w.Action.Keepalive() {
		c.actedBeat(w, Done, now)
	}
}

// countKept takes the time since the keep-alive before into the metrics.
func (c *Core) countKept(u *upkeep, gap time.Duration) {
	if gap > 0 && u.Terms.Interval > 0 {
		c.peerOf(u.conn).Interval[event.Out].Observe(gap.Seconds() / u.Terms.Interval.Seconds())
	}
}

// upkeepJudged shows the rules what came of viaduct's keep-alives.
func (c *Core) upkeepJudged(conn *connection, t event.Time, up rule.Upkeep) {
	up.Method = conn.upkeep.Method
	if c.rules.Wants(rule.Assisted) {
		c.rules.Show(rule.Assisted, &rule.Scene{Now: t, Conn: &conn.Conn, Upkeep: up})
	}
}
