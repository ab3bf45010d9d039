// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

var pingPong = rule.Rule{
	ID:       "KA-01",
	Source:   "RFC 5626 section 4.4.1",
	Severity: rule.Info,
	Fault:    "nobody",
	Asks:     "On a stream CR LF CR LF between messages is a ping and CR LF its pong.",
	Silent:   "Always: it says which bytes are keep-alives. Bare line feeds are none, and a ping may come in several segments.",
	Standing: rule.Recognised,
}

var goesOn = rule.Rule{
	ID:       "KA-02",
	Source:   "RFC 5626 section 4.4.1",
	Severity: rule.Violation,
	Fault:    "client",
	Asks:     "A client that gets no pong within 10 s of its ping treats the flow as failed.",
	Broken:   "A client goes on using a connection on which its ping got no pong",
	Silent: "Pings of the peer: this host knows that it owes the pong (KA-03). Pings that nobody promised to answer, " +
		"lost bytes, and a client that has opened another connection to the same place.",
	Check: rule.Check{Only: rule.New | rule.Outgoing | rule.Beating, Beat: goesOnPinging, Request: goesOnAsking},
}

func goesOnPinging(x *rule.Scene) {
	if x.Beat.Kind == keepalive.Ping && x.Dir == event.Out {
		judgeGoingOn(x, "another ping")
	}
}

func goesOnAsking(x *rule.Scene) {
	if x.Conn.Alive != nil && x.Dir == event.Out && x.Conn.Stream() && x.Verdict == transaction.Fresh {
		judgeGoingOn(x, x.Msg.Label().String())
	}
}

func judgeGoingOn(x *rule.Scene, what string) {
	w, _ := known(x)
	if w == nil || w.ping == 0 || x.Conn.Missing() {
		return
	}
	missed := x.Conn.Alive.Sent(x.Dir).Missed(x.Now)
	if missed == 0 || missed == w.read().judged || x.Now.Sub(missed) < keepalive.PongWait+reply {
		return
	}
	b := x.Conn.Neg.Beats(x.Dir, x.Now)
	if !b.Agreed() && b.Timer == 0 || movedOn(x, missed) {
		return
	}
	w.write().judged = missed
	s := rule.Violation
	if !b.Agreed() {
		s = rule.Advice
	}
	x.RaiseAs(s, x.Writer(), "%s %v after a ping that got no pong", what, x.Now.Sub(missed).Round(time.Millisecond))
}

// movedOn says whether this host has opened another connection to the same
// place since t.
func movedOn(x *rule.Scene, t event.Time) bool {
	for c := range x.Outgoing.To(x.Conn.Remote) {
		if c.OpenedAt <= t {
			break // newest first
		}
		if c != x.Conn {
			return true
		}
	}
	return false
}

var noPong = rule.Rule{
	ID:       "KA-03",
	Source:   "RFC 5626 section 5.4",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A server answers each ping at once with a pong on the same connection.",
	Broken:   "A ping gets no pong within 10 s",
	Silent: "A peer that may not have got the ping: only its later answer to a request proves that it has. Lost bytes, " +
		"connections that ended meanwhile, pings agreed by keep alone (KEEP-31), pings of the side that accepted the " +
		"connection. Where nothing is agreed it is advice.",
	Scope: rule.PerPeer,
	Check: rule.Check{Only: rule.Beating, Beat: awaitPong, Response: alive},
}

const pongWaits = keepalive.PongWait + reply

// awaitPong sets one timer per end, for the oldest ping that waits.
func awaitPong(x *rule.Scene) {
	if x.Beat.Kind != keepalive.Ping {
		return
	}
	w, other := talkOf(x)
	if other.ping != 0 && w.chain > 0 {
		return // an echo of the other end's: KA-04
	}
	if !w.watched {
		w.watched = true
		x.After(pongWaits, due(x.Dir))
	}
}

// due is what looks for the pong of a ping in direction d: one of two
// functions, so that no timer needs a closure.
func due(d event.Direction) func(*rule.Scene) {
	if d == event.In {
		return pongInDue
	}
	return pongOutDue
}

func pongInDue(x *rule.Scene)  { pongDue(x, event.In) }
func pongOutDue(x *rule.Scene) { pongDue(x, event.Out) }

func pongDue(x *rule.Scene, d event.Direction) {
	n := note.Of[talks](x.Conn.Notes, note.CRLF)
	w, other := &n[index(d)], &n[1-index(d)]
	w.watched = false
	if !x.Conn.Open() || x.Conn.Incomplete {
		return
	}
	if w.ping > x.Now.Add(-pongWaits) { // a newer one waits
		w.watched = true
		x.At(w.ping.Add(pongWaits), due(d))
	}
	missed := x.Conn.Alive.Sent(d).Missed(x.Now)
	if missed <= w.read().owed {
		return
	}
	if x.Conn.Missing() { // the pong may be in what a segment brings yet
		if !w.watched {
			w.watched = true
			x.After(pongWaits, due(d))
		}
		return
	}
	w.write().owed = missed
	if other.read().echoed >= missed { // something came back at once, but no pong
		if other.pong != 0 { // from an end that knows pongs
			x.For(notOnePong.ID).Raise(rule.Opposite(fact.Side(d)), "a ping in place of the pong")
		}
		return
	}
	if d == event.Out {
		w.write().proof = missed
		return
	}
	raiseNoPong(x, d, missed)
}

// alive: the peer answers a request that came after the ping.
func alive(x *rule.Scene) {
	if x.Conn.Alive == nil || x.Dir != event.In || x.Tx == nil {
		return
	}
	_, pinger := known(x)
	if pinger == nil {
		return
	}
	proof := pinger.read().proof
	if proof == 0 || x.Tx.Conn != x.Conn || x.Tx.Start <= proof || x.Conn.Missing() {
		return
	}
	raiseNoPong(x, event.Out, proof)
	pinger.write().proof = 0
}

func raiseNoPong(x *rule.Scene, d event.Direction, missed event.Time) {
	b := x.Conn.Neg.Beats(d, missed)
	switch server := rule.Opposite(fact.Side(d)); {
	case !b.Agreed() && x.Conn.Initiator != fact.Side(d): // who accepted the connection is no client
	case b.Keep && !b.Required && !b.Path || !b.Agreed() && x.Conn.Neg.KeptEver(d):
	case b.Agreed():
		x.Raise(server, "no pong for a ping sent %v ago", x.Now.Sub(missed).Round(time.Millisecond))
	default:
		x.RaiseAs(rule.Advice, server, "no pong for a ping that nobody agreed on, sent %v ago", x.Now.Sub(missed).Round(time.Millisecond))
	}
}
