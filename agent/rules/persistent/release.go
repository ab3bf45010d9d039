// SPDX-License-Identifier: Apache-2.0

package persistent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var connectsAnew = rule.Rule{
	ID:       "PERS-05",
	Source:   draft + "01 section 8.1, 02 and 03 section 6.1",
	Severity: rule.Advice,
	Fault:    "originator",
	Asks:     "If the server closes after the transaction, the client frees its side and connects anew for the next request.",
	Broken:   "The client holds on to a connection that the server has closed",
	Silent:   "For five seconds after the server's FIN, or 100 ms (two seconds for the peer) if the client writes to it. Resets, which free both sides, and transactions that are pending.",
	Check:    rule.Check{Only: rule.New | rule.Over, Ended: staysHalfOpen, Request: writesToClosed},
}

var release = rule.Rule{
	ID:       "PERS-08",
	Source:   draft + "01 section 5, 02 and 03 section 3",
	Severity: rule.Advice,
	Fault:    "remaining side",
	Asks:     "When a persistent connection is closed, the other side frees what it holds for it.",
	Broken:   "One side still holds a connection that the other one closed a minute ago",
	Silent:   "Connections that were not offered as persistent. A server's close right after the transaction is PERS-05's.",
	Check:    rule.Check{Ended: staysLong},
}

const (
	freeWithin    = 5 * time.Second
	releaseWithin = time.Minute
)

// halfClosed says whether one side has closed a connection that was offered
// as persistent, and the other one has to follow.
func halfClosed(c *fact.Conn) bool {
	return c.PersistentBy() != event.Unknown && c.How == event.FIN && c.By != event.Unknown && c.Whole() && c.Pending == 0
}

// declines says whether the close is the acceptor's refusal of the offer.
func declines(c *fact.Conn) bool {
	return c.By == c.Acceptor() && outcome(c) != negotiate.Honoured
}

func staysHalfOpen(x *rule.Scene) {
	if !halfClosed(x.Conn) || !declines(x.Conn) {
		return
	}
	x.After(freeWithin, func(x *rule.Scene) {
		if x.Conn.ClosedAt == 0 {
			x.Raise(x.Conn.Initiator, "not closed %s after the server's FIN", freeWithin)
		}
	})
}

func writesToClosed(x *rule.Scene) {
	c := x.Conn
	if c.EndedAt == 0 || c.PersistentBy() != x.Writer() || c.By != x.Reader() || c.How != event.FIN || !c.Whole() ||
		x.Verdict != transaction.Fresh || x.Msg.Method == sipparse.MethodCancel {
		return
	}
	crossing := 100 * time.Millisecond
	if x.Writer() == event.Remote {
		crossing = 2 * time.Second
	}
	if late := x.Now.Sub(c.EndedAt); late > crossing {
		x.Raise(x.Writer(), "%s %s after the server's FIN", x.Msg.Label(), late.Round(time.Millisecond))
	}
}

func staysLong(x *rule.Scene) {
	if !halfClosed(x.Conn) || declines(x.Conn) {
		return
	}
	x.After(releaseWithin, func(x *rule.Scene) {
		if x.Conn.ClosedAt == 0 {
			x.Raise(rule.Opposite(x.Conn.By), "not closed %s after the FIN of the other side", releaseWithin)
		}
	})
}
