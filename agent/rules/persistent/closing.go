// SPDX-License-Identifier: Apache-2.0

package persistent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

const exempt = " The end of a process, malformed messages, and connections that were not seen whole are exempt."

var beyondTransaction = rule.Rule{
	ID:       "PERS-02",
	Source:   draft + "01 section 8.1, 02 and 03 section 6.1",
	Severity: rule.Violation,
	Fault:    "connection originator",
	Asks:     "Who offers persistent leaves the connection up beyond the transaction.",
	Broken:   "The side that offered persistent closed the connection with the transaction",
	Silent:   "Later than 32 s after the transaction, and once the connection was used again: then PERS-07 and others judge." + exempt,
	Check:    rule.Check{Ended: withTransaction},
}

var beyondDialog = rule.Rule{
	ID:       "PERS-03",
	Source:   draft + "01 section 8.1; 01 section 5, 02 and 03 section 3",
	Severity: rule.Advice,
	Fault:    "connection originator",
	Asks:     "A persistent connection also outlives the dialog.",
	Broken:   "The side that offered persistent closed the connection with the dialog",
	Silent:   "Connections that were used by another request meanwhile, which PERS-07 judges. Only version 01 guarantees it: the profile draft01 makes it a violation." + exempt,
	Check:    rule.Check{Closed: withDialog},
}

var unfinished = rule.Rule{
	ID:       "PERS-06",
	Source:   draft + "01 section 5",
	Severity: rule.Violation,
	Fault:    "closer",
	Asks:     "A connection is closed only when no transaction is in progress on it.",
	Broken:   "A connection that was offered as persistent was closed with a transaction in progress",
	Silent:   "Connections without the offer, and an acceptor that never answered it or declined it, which TP-02 and AL-09 judge. What the closer had to answer is judged when the time for it has passed and no answer came on another connection." + exempt,
	Check:    rule.Check{Ended: abandoned, TimedOut: neverAnswered},
}

var explicitClose = rule.Rule{
	ID:       "PERS-07",
	Source:   draft + "01 section 5, 02 and 03 section 3",
	Severity: rule.Violation,
	Fault:    "closer",
	Asks:     "Neither side closes a persistent connection in normal circumstances.",
	Broken:   "A persistent connection was closed though its process went on",
	Silent:   "Offers that were not honoured, and closes after four fifths of an agreed Persistent-Timeout." + exempt,
	Check:    rule.Check{Closed: closedPersistent},
}

var agesOut = rule.Rule{
	ID:       "PERS-10",
	Source:   draft + "01 section 5, 02 and 03 section 3",
	Severity: rule.Violation,
	Fault:    "closer",
	Asks:     "A persistent connection does not end by being idle.",
	Broken:   "A persistent connection ran into an idle timer",
	Silent:   "Until the closer has ended three connections with this peer after about the same silence, whatever they were offered as." + exempt,
	Check:    rule.Check{Closed: agedOut},
}

var required = rule.Rule{
	ID:       "PERS-12",
	Source:   draft + "01 section 8.2",
	Severity: rule.Advice,
	Fault:    "server",
	Asks:     "A server that does not want to keep the connection rejects Require: persistence with 420.",
	Broken:   "A request with Require: persistence was accepted, and then the connection closed",
	Silent:   "Later versions have no Require. The spellings Required and Proxy-Required of version 01 are understood." + exempt,
	Check:    rule.Check{Closed: acceptedAndClosed},
}

var unlimited = rule.Rule{
	ID:       "PERS-13",
	Source:   draft + "01 section 8.2, 02 and 03 section 6.2",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "An offer without Persistent-Timeout has no end: the client does not close.",
	Broken:   "The connection was closed by the side that had offered to keep it without limit",
	Silent:   "Offers by the Via parameter alone, which PERS-07 judges." + exempt,
	Check:    rule.Check{Closed: closedUnlimited},
}

var upperBound = rule.Rule{
	ID:       "PERS-14",
	Source:   draft + "01 section 8.2, 02 and 03 section 6.2",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "Persistent-Timeout is how long the client lets the connection stay open.",
	Broken:   "The connection stays open for another time than its Persistent-Timeout",
	Silent:   "Less than a fifth below, and a tenth above. The draft gives no unit and no beginning: seconds are meant, from the newest request that has it." + exempt,
	Check:    rule.Check{Only: rule.Negotiated, Closed: closedBeforeTime, Request: usedAfterTime},
}

// offer quotes the request that offered.
func offer(c *fact.Conn) string { return c.Neg.Persistent.Offer.Label.String() }

func after(t event.Time, since event.Time) time.Duration {
	return t.Sub(since).Round(100 * time.Millisecond)
}

func withTransaction(x *rule.Scene) {
	c := x.Conn
	if c.PersistentBy() == event.Unknown || judge(x) != endedWithTransaction {
		return
	}
	if p := &c.Neg.Persistent; p.Ended == 0 {
		x.Raise(c.By, "closed %s after %s offered persistent, before its final response", after(c.EndedAt, p.At), offer(c))
	} else {
		x.Raise(c.By, "closed %s after the transaction of %s, which offered persistent", after(c.EndedAt, p.Ended), offer(c))
	}
}

// owed is the family's note on a request that the closer had not answered.
type owed struct{ yes bool }

// abandoned judges a closer's own requests, and notes what it owed: an answer
// may still come on another connection.
func abandoned(x *rule.Scene) {
	c := x.Conn
	if c.PersistentBy() == event.Unknown || judge(x) != endedInProgress {
		return
	}
	raised := false
	txs, _ := x.Ends(c)
	for tx := range txs.Waiting(x.Now) {
		if side(tx.Dir) != c.By {
			note.On[owed](&tx.Notes, note.Persistent).yes = true
		} else if !raised {
			raised = true
			x.Raise(c.By, "closed %s after its %s, which had no final response; %s offered persistent", after(c.EndedAt, tx.Start), tx.Offer.Label, offer(c))
		}
	}
}

func neverAnswered(x *rule.Scene) {
	c, tx := x.Conn, x.Tx
	if n := note.Of[owed](tx.Notes, note.Persistent); n == nil || !n.yes {
		return
	}
	x.Raise(c.By, "closed %s after %s came in, and never answered it; %s offered persistent", after(c.EndedAt, tx.Start), tx.Offer.Label, offer(c))
}

func withDialog(x *rule.Scene) {
	if x.Conn.PersistentBy() == event.Unknown || judge(x) != endedWithDialog {
		return
	}
	s := rule.Advice
	if x.Profile.Draft01 {
		s = rule.Violation
	}
	x.RaiseAs(s, x.Conn.By, "closed %s after %s offered persistent, its dialog alive or just over", after(x.Conn.EndedAt, x.Conn.Neg.Persistent.At), offer(x.Conn))
}

func closedPersistent(x *rule.Scene) {
	c := x.Conn
	if c.PersistentBy() == event.Unknown || judge(x) != endedPersistent {
		return
	}
	if p := &c.Neg.Persistent; p.LaterAt != 0 {
		x.Raise(c.By, "closed after %s idle; %s offered persistent, %s used it later", idle(c), offer(c), p.Later)
	} else {
		x.Raise(c.By, "closed after %s idle; %s offered persistent, and it stood for %s", idle(c), offer(c), after(c.EndedAt, p.Ended))
	}
}

func idle(c *fact.Conn) time.Duration { return max(0, c.Idle).Round(100 * time.Millisecond) }

func agedOut(x *rule.Scene) {
	c := x.Conn
	if c.PersistentBy() == event.Unknown || judge(x) != endedIdle {
		return
	}
	t, _ := c.Peer.IdleTimeout(c.By)
	x.Raise(c.By, "closed after %s idle, as %d connections were after about %s; %s offered persistent", idle(c), t.Closes, t.After.Round(100*time.Millisecond), offer(c))
}

func acceptedAndClosed(x *rule.Scene) {
	c := x.Conn
	if c.PersistentBy() != event.Unknown && judge(x) == endedRequired {
		x.Raise(c.By, "closed %s after the 2xx to %s with Require: persistence", after(c.EndedAt, c.Neg.Persistent.Ended), offer(c))
	}
}

func closedUnlimited(x *rule.Scene) {
	c := x.Conn
	if c.PersistentBy() != event.Unknown && judge(x) == endedUnlimited {
		x.Raise(c.By, "closed %s after %s, which set no Persistent-Timeout", after(c.EndedAt, c.Neg.Persistent.At), offer(c))
	}
}

func closedBeforeTime(x *rule.Scene) {
	c := x.Conn
	if c.PersistentBy() != event.Unknown && judge(x) == endedBeforeTime {
		p := &c.Neg.Persistent
		x.Raise(c.By, "Persistent-Timeout: %d, closed after %.0f s", p.Timeout, c.EndedAt.Sub(p.Newest).Seconds())
	}
}

// usedAfterTime judges the originator's requests that offer no new time.
func usedAfterTime(x *rule.Scene) {
	c := x.Conn
	if c.Neg == nil || !c.Neg.Persistent.HasTimeout || c.PersistentBy() != x.Writer() || c.Incomplete {
		return
	}
	p := &c.Neg.Persistent
	if x.Now.Sub(p.Newest) <= p.Span()+p.Span()/10 || refused(p) || p.Declined {
		return
	}
	if l := linkOf(c); !l.over {
		l.over = true
		x.Raise(x.Writer(), "Persistent-Timeout: %d, %s after %.0f s", p.Timeout, x.Msg.Label(), x.Now.Sub(p.Newest).Seconds())
	}
}
