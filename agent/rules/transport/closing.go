// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// hold is 64*T1, after the last message (RFC 3261 section 18), less what a
// timer of exactly that may be early.
const hold = 32*time.Second - 500*time.Millisecond

var linger = rule.Rule{
	ID:       "TP-01",
	Source:   "RFC 3261 section 18",
	Severity: rule.Advice,
	Fault:    "closer",
	Asks:     "A connection stays open after its last message for as long as a transaction may take: 64*T1, which is 32 seconds.",
	Broken:   "The connection was closed less than 32 s after its last message",
	Silent: "The process was ending, a reset came in, which a NAT may have sent, the framing had failed, a 503 was sent before, or the closer had removed its registration; a keep-alive was not answered; a request was waiting (TP-02); " +
		"an alias on TLS (AL-03, AL-17) or a persistent connection (PERS-02, PERS-04) was offered. Keep-alives are no messages.",
	Scope: rule.PerPeer,
	Check: rule.Check{Ended: closedEarly},
}

func closedEarly(x *rule.Scene) {
	c := x.Conn
	last := c.LastMessage()
	if last == 0 || c.EndedAt.Sub(last) >= hold || !deliberate(c) || promised(c) {
		return
	}
	if m := note.Of[mark](c.Notes, note.Transport); m != nil && (m.broken || m.busy || m.left[closing(c)] == last) {
		return
	}
	if c.Alive != nil && c.Alive.Unanswered(c.EndedAt) > 0 {
		return // RFC 5626 section 4.4.1 wants the flow given up
	}
	if txs, _ := x.Ends(c); txs.Pending(c.EndedAt) > 0 {
		return
	}
	x.Raise(c.By, "%s %.1f s after the last message", how(c), c.EndedAt.Sub(last).Seconds())
}

// deliberate says whether c is a stream that one side closed because it wanted
// to, as far as can be seen. A reset that comes in may be that of a NAT, or of
// a host where the process crashed.
func deliberate(c *fact.Conn) bool {
	return c.Stream() && !c.Failed && !c.Exiting && (c.How == event.FIN && c.By != event.Unknown || c.How == event.RST && c.By == event.Local)
}

// promised says whether more than RFC 3261 was offered for c, so that other
// rules judge its end.
func promised(c *fact.Conn) bool {
	return c.Neg != nil && (c.Neg.Persistent.By != 0 || c.Neg.Alias.By != 0 && c.Transport == event.TLS)
}

// held says whether another rule judges that the closer left a transaction
// unfinished: nobody is held to an offer of persistent that it never answered.
func held(c *fact.Conn) bool {
	return promised(c) && (c.PersistentBy() == event.Unknown || c.PersistentBinds(c.By))
}

// closing indexes the direction of the closer.
func closing(c *fact.Conn) int {
	if c.By == event.Local {
		return index(event.Out)
	}
	return index(event.In)
}

func how(c *fact.Conn) string {
	if c.How == event.RST {
		return "RST"
	}
	return "FIN"
}

var completion = rule.Rule{
	ID:       "TP-02",
	Source:   "RFC 3261 sections 18 and 17.1.4",
	Severity: rule.Advice,
	Fault:    "closer",
	Asks:     "A connection carries its transactions to their end: closing it earlier ends them without a response.",
	Broken:   "The connection was closed while a request waited for its final response",
	Silent: "The response came on another connection, bytes were lost, the process was ending, or a reset came in, which a NAT may have sent. It is said 32 s later, when no response can come any more. " +
		"An alias on TLS is AL-09, a persistent connection PERS-06, unless the closer never answered the offer.",
	Check: rule.Check{Ended: ringing, TimedOut: neverAnswered},
}

// neverAnswered judges when the time for a response is over: until then it may
// come on another connection. An INVITE that rings has more time, see ringing.
func neverAnswered(x *rule.Scene) {
	if x.Tx.Status() != 0 && x.Tx.Key.Method == sipparse.MethodInvite {
		return
	}
	cut(x)
}

// cut raises if the connection of x.Tx was closed under it.
func cut(x *rule.Scene) {
	c := x.Tx.Conn
	if c.EndedAt == 0 || c.EndedAt < x.Tx.Start || c.Incomplete || !deliberate(c) || held(c) {
		return
	}
	x.Raise(c.By, "%s %.1f s after %s, which has no final response", how(c), c.EndedAt.Sub(x.Tx.Start).Seconds(), x.Tx.Offer.Label)
}

func ringing(x *rule.Scene) {
	if !x.Conn.Stream() || !deliberate(x.Conn) {
		return
	}
	txs, _ := x.Ends(x.Conn)
	for tx := range txs.Waiting(x.Now) {
		if tx.Status() == 0 || tx.Key.Method != sipparse.MethodInvite {
			continue
		}
		key := tx.Key
		x.After(hold, func(x *rule.Scene) {
			for tx := range x.Txs.Find(key) {
				if tx.Conn == x.Conn && tx.Pending() {
					x.Tx = tx
					cut(x)
				}
			}
		})
	}
}

var keepsRegistered = rule.Rule{
	ID:       "TP-26",
	Source:   "RFC 3261 section 26.3.2.1",
	Severity: rule.Advice,
	Fault:    "registering UA",
	Asks:     "A UA that registered over TLS leaves the connection open, so that its registrar can send requests over it.",
	Broken:   "A UA closed the TLS connection that it had registered over before the binding ran out",
	Silent: "The binding moved to another connection or was removed first, the process was ending, or the flow is one of RFC 5626, which has rules of its own. " +
		"Needs TLS whose messages are seen.",
	Check: rule.Check{Ended: unregistered},
}

func unregistered(x *rule.Scene) {
	c := x.Conn
	if c.Transport != event.TLS || !deliberate(c) {
		return
	}
	for _, b := range x.Bindings.Over(c) {
		if b.Conn == c && b.Alive(x.Now) && b.Direct && !b.Outbound && !b.Offered && c.By == fact.Side(b.Dir) {
			x.Raise(c.By, "%s %.0f s before the binding runs out", how(c), b.Until.Sub(x.Now).Seconds())
			return
		}
	}
}
