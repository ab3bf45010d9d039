// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var serverPings = rule.Rule{
	ID:       "KA-10",
	Source:   "RFC 5626 section 4.4.1",
	Severity: rule.Info,
	Fault:    "nobody",
	Asks:     "The side that opened the connection pings, the other one answers.",
	Broken:   "The side that accepted the connection sends pings",
	Silent: "Where keep was agreed for that direction or the other (KEEP-29), pings that are echoes (KA-04), and " +
		"connections of which it is not known who opened them.",
	Scope: rule.PerPeer,
	Check: rule.Check{Beat: pingsBack},
}

func pingsBack(x *rule.Scene) {
	if x.Beat.Kind != keepalive.Ping || x.Conn.Initiator == event.Unknown || x.Conn.Initiator == x.Writer() {
		return
	}
	w, _ := talkOf(x)
	if n := x.Conn.Neg; n.Supports(x.Dir) || n.KeptEver(opposite(x.Dir)) || w.chain > 0 {
		return
	}
	x.Raise(x.Writer(), "a ping from %v, which accepted the connection", x.Conn.Address(x.Writer()))
}

var expectsPong = rule.Rule{
	ID:       "KA-16",
	Source:   "RFC 5626 section 4.4, RFC 3261 section 7.5",
	Severity: rule.Info,
	Fault:    "client",
	Asks:     "Anybody may send a ping on any stream; where nothing is agreed a missing pong says nothing about the flow.",
	Broken:   "A client closes its connections for want of pongs that nobody promised",
	Silent: "A first time: it takes two connections to one peer that end equally soon after an unanswered ping, one after " +
		"the other and with nothing in between. Processes that were exiting. The side that accepted the connection: a " +
		"server that pings has an idle timer as well.",
	Scope: rule.PerPeer,
	Check: rule.Check{Ended: givesUp},
}

func givesUp(x *rule.Scene) {
	n := note.Of[talks](x.Conn.Notes, note.CRLF)
	if n == nil || x.Conn.Exiting || x.Conn.Missing() || x.Conn.By == event.Unknown || x.Conn.By != x.Conn.Initiator {
		return
	}
	d := event.In
	if x.Conn.By == event.Local {
		d = event.Out
	}
	w := &n[index(d)]
	after := x.Conn.EndedAt.Sub(w.ping)
	if w.ping == 0 || w.ping < max(x.Conn.LastIn, x.Conn.LastOut) || after < reply || after > time.Minute {
		return
	}
	if b := x.Conn.Neg.Beats(d, x.Now); b.Agreed() {
		return
	}
	h, peer := x.Mine.(*habits), x.Conn.Remote.Addr()
	if w.ping < h.pongs[peer].last {
		return // pinged together, as by one timer for all, and so ended together
	}
	if h.again(h.pongs, peer, after, x.Conn.EndedAt) >= 2 {
		x.Raise(x.Conn.By, "closed %v after a ping that got no pong", after.Round(100*time.Millisecond))
	}
}
