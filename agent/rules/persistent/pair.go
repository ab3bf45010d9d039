// SPDX-License-Identifier: Apache-2.0

package persistent

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var pair = rule.Rule{
	ID:       "PERS-21",
	Source:   draft + "01 section 3, 02 and 03 section 2",
	Severity: rule.Advice,
	Fault:    "pair",
	Asks:     "Two servers that have agreed on reuse need one connection, not one in each direction.",
	Broken:   "A second connection is opened in the other direction though requests come back on the first",
	Silent:   "Unless an alias over TLS was used on the older one: RFC 3261 leads to such pairs, and an offer of persistent may be meant for one direction. All pairs are counted for each peer. Servers are told by address and the port of the sent-by, which a NAT hides.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.New, Request: pairedUp},
}

var unasked = rule.Rule{
	ID:       "PERS-22",
	Source:   draft + "01 section 5, 02 and 03 section 3",
	Severity: rule.Advice,
	Fault:    "acceptor",
	Asks:     "A connection carries requests both ways only if the side that opened it asked for that.",
	Broken:   "The acceptor sends new requests back though nobody asked for it",
	Silent:   "Requests within a dialog; requests whose next hop is written as the very address and port at the other end; after a registration over TLS, alias, outbound or persistent; connections that were not seen whole; and the profile nat. Without TLS, where requests go both ways, AL-08 judges.",
	Check:    rule.Check{Only: rule.New | rule.Backward, Request: backUnasked},
}

var idleTimers = rule.Rule{
	ID:       "PERS-29",
	Source:   draft + "01 and 03 section 2",
	Severity: rule.Info,
	Fault:    "pair",
	Asks:     "The two sides have idle timers of their own, and the shorter one decides.",
	Broken:   "The idle timers of the two sides are far apart",
	Silent:   "Until each side has closed three connections after about the same silence, and one timer is more than four times the other.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Closed: timersDiffer},
}

// pairedUp judges the newer connection of a pair. That reuse was agreed on
// shows by a request that came back on the older one, and that is cheaper to
// ask for than the other connection.
func pairedUp(x *rule.Scene) {
	c := x.Conn
	if c.Peer == nil || c.Peer.Pairs == 0 || x.Verdict != transaction.Fresh {
		return
	}
	older := x.Reverse(c)
	if older == nil || older.ID > c.ID || older.AliasBy() == event.Unknown || !older.Neg.Alias.Used ||
		!older.Open() || !c.Open() || x.Writer() != c.Initiator {
		return
	}
	if l := linkOf(c); !l.paired {
		l.paired = true
		x.Raise(c.Initiator, "%s stands beside %s, on which %s used the alias of %s",
			span(c), span(older), older.Neg.Alias.Back, older.Neg.Alias.From)
	}
}

func span(c *fact.Conn) string { return c.Local.String() + "-" + c.Remote.String() }

func backUnasked(x *rule.Scene) {
	c := x.Conn
	if !c.Stream() || x.Writer() != c.Acceptor() || len(x.Msg.ToTag) > 0 || x.Verdict != transaction.Fresh ||
		x.Msg.Method == sipparse.MethodCancel || x.Profile.NAT || !c.Whole() || c.PersistentBy() != event.Unknown {
		return
	}
	if n := c.Neg; n != nil && (n.Outbound.Agreed || n.Outbound.Dialog || n.Alias.By != 0) {
		return
	}
	forth := requestsOf(c, c.Initiator)
	if c.Transport == event.TLS && c.Registered.Method == sipparse.MethodRegister ||
		c.Transport != event.TLS && forth.N > 0 && !forth.InDialog {
		return
	}
	if message.HopIs(x.Msg.Head, c.Address(x.Reader()), c.Transport == event.TLS) {
		return // RFC 3261 section 18 has the connection found by these
	}
	x.Raise(x.Writer(), "%s on a connection that the other side opened", x.Msg.Label())
}

func requestsOf(c *fact.Conn, s event.Side) *class.Requests {
	if s == event.Local {
		return &c.Sent
	}
	return &c.Received
}

// farApart is the ratio of idle timers that is worth knowing.
const farApart = 4

func timersDiffer(x *rule.Scene) {
	c := x.Conn
	if c.Peer == nil || c.How != event.FIN || !c.Stream() {
		return
	}
	theirs, ok := c.Peer.IdleTimeout(event.Remote)
	if !ok {
		return
	}
	ours, ok := c.Peer.IdleTimeout(event.Local)
	if !ok || max(theirs.After, ours.After) <= farApart*min(theirs.After, ours.After) {
		return
	}
	party := event.Remote
	if ours.After < theirs.After {
		party = event.Local
	}
	x.Raise(party, "this host closes after %s idle (%d closes), the peer after %s (%d closes)",
		ours.After.Round(time.Second), ours.Closes, theirs.After.Round(time.Second), theirs.Closes)
}
