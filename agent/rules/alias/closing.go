// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

const oneSecond = time.Second

var originatorDrops = rule.Rule{
	ID:       "AL-03",
	Source:   "RFC 5923 sections 8.1 and 8.2",
	Severity: rule.Advice,
	Fault:    "request sender = connection originator",
	Asks:     "A client that offered alias keeps the connection as long as it can, and does not close it because a transaction or a dialog is over.",
	Broken:   "The side that offered alias closes the connection as soon as it has no use for it",
	Silent:   "Without TLS. Until three connections in a row ended so, unless a dialog was alive; when the process was exiting; with transactions pending, which AL-09 judges; on offers of persistent. A lack of resources, which excuses it, cannot be seen.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Ended: originatorClosed},
}

var acceptorDrops = rule.Rule{
	ID:       "AL-17",
	Source:   "RFC 5923 section 8.2",
	Severity: rule.Advice,
	Fault:    "server (acceptor)",
	Asks:     "The acceptor of an aliased connection keeps it too, and does not close it because a transaction or a dialog is over.",
	Broken:   "The acceptor closes aliased connections within 32 s of their last message",
	Silent:   "Without TLS. Until three connections in a row ended so; when the process was exiting; with transactions pending, which AL-09 judges; on offers of persistent. A lack of resources, which excuses it, cannot be seen.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Ended: acceptorClosed},
}

var unfinished = rule.Rule{
	ID:       "AL-09",
	Source:   "RFC 5923 section 8.3",
	Severity: rule.Violation,
	Fault:    "closer",
	Asks:     "Who closes a TLS connection first lets the transactions on it come to their end, or gives them up.",
	Broken:   "An aliased connection is closed with a transaction unfinished",
	Silent:   "Without TLS or alias, which TP-02 judges. A closer that owes a response is reported when the time for it has passed and it came on no other connection; one that closes on its own request may have given it up, so that is advice. The end of a process is exempt.",
	Check:    rule.Check{Ended: gaveUp, TimedOut: owedByCloser},
}

// inARow is how many connections make a habit.
const inARow = 3

// habit is what one end of the connections with a peer does.
type habit struct {
	peer   netip.Addr
	closer event.Side
	first  bool // the closer is the originator
}

func (m *mind) habitOf(x *rule.Scene) (habit, bool) {
	c := x.Conn
	if !c.Dropped() || c.PersistentBy() != event.Unknown {
		return habit{}, false
	}
	if txs, _ := x.Ends(c); txs.Pending(x.Now) > 0 || c.LastMessage() == 0 {
		return habit{}, false
	}
	return habit{c.Remote.Addr(), c.By, c.By == c.Initiator}, true
}

// learnHabit counts the closes in a row that came soon after the last message.
func (m *mind) learnHabit(x *rule.Scene) {
	h, ok := m.habitOf(x)
	if !ok {
		return
	}
	if x.Now.Sub(x.Conn.LastMessage()) >= negotiate.Linger {
		delete(m.habits, h)
		return
	}
	room(m, m.habits)
	m.habits[h]++
}

func originatorClosed(x *rule.Scene) {
	c := x.Conn
	if c.AliasBy() == event.Unknown || c.By != c.Initiator {
		return
	}
	m := x.Mine.(*mind)
	h, ok := m.habitOf(x)
	if !ok {
		return
	}
	idle := x.Now.Sub(c.LastMessage()).Round(100 * time.Millisecond)
	if _, dialogs := x.Ends(c); dialogs.Alive(x.Now) > 0 {
		x.Raise(c.By, "closed %s after the last message with a dialog alive, alias offered by %s", idle, c.Neg.Alias.From)
	} else if m.habits[h] >= inARow && idle < negotiate.Linger {
		x.Raise(c.By, "closed %s after the last message, as on the %d connections before, alias offered by %s", idle, m.habits[h]-1, c.Neg.Alias.From)
	}
}

func acceptorClosed(x *rule.Scene) {
	c := x.Conn
	if c.AliasBy() == event.Unknown || c.By != c.Acceptor() {
		return
	}
	m := x.Mine.(*mind)
	h, ok := m.habitOf(x)
	if !ok || m.habits[h] < inARow || x.Now.Sub(c.LastMessage()) >= negotiate.Linger {
		return
	}
	x.Raise(c.By, "closed %s after the last message, as on the %d connections before, alias offered by %s",
		x.Now.Sub(c.LastMessage()).Round(100*time.Millisecond), m.habits[h]-1, c.Neg.Alias.From)
}

// gaveUp judges a closer's own requests, and notes what it owed: an answer may
// still come on another connection.
func gaveUp(x *rule.Scene) {
	c := x.Conn
	if c.AliasBy() == event.Unknown || c.PersistentBy() != event.Unknown || !c.Dropped() {
		return
	}
	raised := false
	txs, _ := x.Ends(c)
	for tx := range txs.Waiting(x.Now) {
		if side(tx.Dir) != c.By {
			note.On[mark](&tx.Notes, note.Alias).owed = true
		} else if !raised {
			raised = true
			x.RaiseAs(rule.Advice, c.By, "closed %s after its %s, which had no final response", x.Now.Sub(tx.Start).Round(time.Millisecond), tx.Offer.Label)
		}
	}
}

// owedByCloser judges what the closer had to answer. Requests that came back to
// the originator are AL-19's.
func owedByCloser(x *rule.Scene) {
	c, tx := x.Conn, x.Tx
	if n := note.Of[mark](tx.Notes, note.Alias); n == nil || !n.owed || side(tx.Dir) == c.Acceptor() {
		return
	}
	x.Raise(c.By, "closed %s after %s came in, and never answered it", c.EndedAt.Sub(tx.Start).Round(time.Millisecond), tx.Offer.Label)
}
