// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

// rest is how long the last message must be over before a connection is
// closed: 64*T1 (RFC 3261 section 18).
const rest = 32 * time.Second

// Outcome of an action.
type Outcome uint8

const (
	Done Outcome = iota
	Skipped
	Failed
	numOutcomes
)

var outcomes = [numOutcomes]string{"done", "skipped", "failed"}

func (o Outcome) String() string { return outcomes[o] }

// acts is what the policy had done, and how much more it may.
type acts struct {
	budget  int        // closes left in this minute
	since   event.Time // when the minute began
	lines   map[actKey]*report.Action
	limits  map[limitKey]*report.Action
	order   []*report.Action
	fresh   []report.Action // not taken yet
	dropped uint64
}

type actKey struct {
	action  rule.Action
	conn    uint64
	mode    policy.Mode
	outcome Outcome
}

// Wishes returns the actions that the policy asks for since the last call.
// Dry runs are answered here, and so are those beyond the budget of closes a
// minute; what is returned is to be done, if Still says so at that moment, and
// told to Acted.
func (c *Core) Wishes(now event.Time) []rule.Wish {
	if now.Sub(c.acts.since) >= time.Minute {
		c.acts.since, c.acts.budget = now, c.cfg.ClosesPerMinute
	}
	var due []rule.Wish
	for _, w := range c.rules.Wishes() {
		switch err := c.Still(&w, now); {
		case err != nil:
			c.Acted(&w, Skipped, err.Error(), now)
		case w.Mode == policy.DryRun:
			c.Acted(&w, Skipped, "dry-run: "+w.Reason, now)
		case w.Action == rule.Close && c.acts.budget == 0:
			c.Acted(&w, Skipped, fmt.Sprintf("more than %d closes in this minute", c.cfg.ClosesPerMinute), now)
		default:
			switch w.Action {
			case rule.Close:
				c.acts.budget--
			case rule.Protect:
				w.Probe = c.probe(c.known(w.Conn), now)
			}
			due = append(due, w)
		}
	}
	return due
}

// Still says whether w may be done now, or why not: nothing is closed with a
// transaction pending, within 64*T1 of the last message, or while one is under way.
func (c *Core) Still(w *rule.Wish, now event.Time) error {
	conn := c.known(w.Conn)
	switch {
	case conn == nil || !conn.Open():
		return errors.New("the connection has ended")
	case conn.Row.Enforce != w.Mode:
		return errors.New("the policy is another one now")
	case w.Action.Keepalive():
		return c.stillBeat(conn, w, now)
	case w.Action != rule.Close:
		return nil
	case conn.tx.Pending(now) > 0:
		return errors.New("a transaction is pending")
	case conn.MidLife && now.Sub(conn.First) < transaction.InviteTimeout:
		return errors.New("the connection is older than the observation: what is pending on it is not known yet")
	case conn.LastMessage() != 0 && now.Sub(conn.LastMessage()) < rest:
		return fmt.Errorf("a message went %s ago, less than 64*T1", now.Sub(conn.LastMessage()).Round(time.Second))
	case conn.inMessage() && conn.silence(now) < rest:
		return errors.New("a message is under way")
	case w.Idle > 0 && conn.silence(now) < w.Idle:
		return errors.New("the connection is in use again")
	case w.Stands != nil && !w.Stands():
		return errors.New("the reason for it is gone")
	}
	return nil
}

// Acted tells what became of w.
func (c *Core) Acted(w *rule.Wish, o Outcome, reason string, now event.Time) {
	c.by.Of(w.Conn.Row.Name).Actions[w.Action][w.Mode][o]++
	if w.Action.Keepalive() {
		c.actedBeat(w, o, now)
	}
	k := actKey{w.Action, w.Conn.ID, w.Mode, o}
	if line := c.acts.lines[k]; line != nil {
		line.Count++
		line.Last, line.Reason = now.Go(), reason
		if o == Done && !w.Action.Keepalive() { // which would fill the log
			c.tell(line)
		}
		return
	}
	if len(c.acts.order) >= c.cfg.MaxFindings {
		c.acts.dropped++
		return
	}
	line := &report.Action{
		Action: w.Action.String(), Mode: w.Mode.String(), Connection: "c" + number(w.Conn.ID),
		Local: w.Conn.Local.String(), Remote: w.Conn.Remote.String(),
		Outcome: o.String(), Reason: reason, Time: now.Go(), Last: now.Go(), Count: 1,
	}
	if c.acts.lines == nil {
		c.acts.lines = make(map[actKey]*report.Action)
	}
	c.acts.lines[k] = line
	c.acts.order = append(c.acts.order, line)
	c.tell(line)
}

func (c *Core) tell(line *report.Action) {
	if len(c.acts.fresh) < c.cfg.MaxFindings {
		c.acts.fresh = append(c.acts.fresh, *line)
	}
}

// Actions returns what is new since the last call: what was done, and what was
// skipped or failed for the first time on its connection. Keep-alives are told
// of once a connection.
func (c *Core) Actions() []report.Action {
	fresh := c.acts.fresh
	c.acts.fresh = nil
	return fresh
}

// closer names who ended the connection.
func (conn *connection) closer() string {
	if conn.ByAgent {
		return "viaduct"
	}
	return conn.sideName(conn.By)
}
