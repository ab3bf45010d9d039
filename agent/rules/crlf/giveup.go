// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var earlyClose = rule.Rule{
	ID:       "KA-09",
	Source:   "RFC 5626 section 5.4",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A server that announced Flow-Timer lets more than so many seconds pass without keep-alives before it gives the flow up.",
	Broken:   "A server closes a connection before the Flow-Timer that it announced has passed",
	Silent: "Closes within 10 s of the client's last sign, which have other reasons, processes that were exiting, " +
		"registrations that are over, responses 430. It is advice until the same idle time was seen three times in a row.",
	Scope: rule.PerPeer,
	Check: rule.Check{Ended: tooEarly},
}

func tooEarly(x *rule.Scene) {
	c := x.Conn
	if c.Neg == nil || !c.Stream() || c.By == event.Unknown || c.Exiting || c.Incomplete || c.How == event.Timeout {
		return
	}
	client := event.In
	if c.By == event.Remote {
		client = event.Out
	}
	b := c.Neg.Beats(client, c.EndedAt)
	if b.Timer == 0 {
		return
	}
	last := max(b.At, c.LastSIP[index(client)])
	if c.Alive != nil {
		last = max(last, c.Alive.Sent(client).Last)
	}
	const haste, habit = 10 * time.Second, 3
	if last <= c.Neg.Resumed {
		return // there may have been a later one that nobody saw
	}
	idle := c.EndedAt.Sub(last)
	if idle < haste || idle > time.Duration(b.Timer)*time.Second {
		return
	}
	s := rule.Advice
	if h := x.Mine.(*habits); h.again(h.closes, c.Remote.Addr(), idle, c.EndedAt) >= habit {
		s = rule.Violation
	}
	x.RaiseAs(s, c.By, "closed %v after the client's last sign, Flow-Timer: %d", idle.Round(100*time.Millisecond), b.Timer)
}
