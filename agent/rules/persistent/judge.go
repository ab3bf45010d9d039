// SPDX-License-Identifier: Apache-2.0

package persistent

import (
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// A close of a connection that was offered as persistent is judged by one rule:
//
//	a transaction pending                      PERS-02 originator, the offering one; else PERS-06,
//	                                           and TP-02 for an acceptor that never answered the offer
//	originator, not honoured by use, < 32 s    PERS-02
//	a time was agreed: before 80 % of it       PERS-14 originator, PERS-07 acceptor
//	                   after                   as agreed
//	originator, a dialog lives, never reused   PERS-03
//	silence that the closer ends always        PERS-10
//	originator, option tag or PTCP             PERS-13
//	honoured                                   PERS-07
//	declined by the acceptor                   its right; after Require: persistence and a 2xx PERS-12

// verdict is which rule judges a close.
type verdict uint8

const (
	legal verdict = iota
	endedWithTransaction
	endedInProgress
	endedBeforeTime
	endedWithDialog
	endedIdle
	endedUnlimited
	endedPersistent
	endedRequired
)

// judge applies the table; it is for the time of Closed, but for the
// first two lines.
func judge(x *rule.Scene) verdict {
	c := x.Conn
	by := c.PersistentBy()
	if by == event.Unknown || !c.Dropped() {
		return legal
	}
	p := &c.Neg.Persistent
	first := c.By == by && p.LaterAt == 0 && !p.Declined
	switch {
	case c.Pending > 0 && first && p.Ended == 0:
		return endedWithTransaction
	case c.Pending > 0 && c.PersistentBinds(c.By):
		return endedInProgress
	case c.Pending > 0:
		return legal
	case first && !refused(p) && p.Ended != 0 && c.EndedAt.Sub(p.Ended) < negotiate.Linger:
		return endedWithTransaction
	}
	state := outcome(c)
	switch {
	case state == negotiate.Declined && c.By != by && p.Confirmed && (p.Offer.Required || p.Offer.ProxyReq):
		return endedRequired
	case state == negotiate.Declined || state == negotiate.Countered || p.Ended == 0:
		return legal
	case p.HasTimeout && c.EndedAt >= p.Newest.Add(p.Span()*4/5):
		return legal
	case p.HasTimeout && c.By == by:
		return endedBeforeTime
	case first && dialogNear(x):
		return endedWithDialog
	case state == negotiate.Honoured && idleTimer(c):
		return endedIdle
	case c.By == by && (p.Offer.Supported || p.Offer.Required || p.Offer.ProxyReq || p.Offer.PTCP):
		return endedUnlimited
	case state == negotiate.Honoured:
		return endedPersistent
	}
	return legal
}

// refused says whether the offer was turned down, so that it guarantees
// nothing.
func refused(p *negotiate.Persistent) bool { return p.Countered && !p.Confirmed }

// dialogNear says whether a dialog of the connection lives, or ended shortly
// before the close.
func dialogNear(x *rule.Scene) bool {
	_, dialogs := x.Ends(x.Conn)
	return dialogs.Alive(x.Conn.EndedAt) > 0 || dialogs.EndedAt != 0 && x.Conn.EndedAt.Sub(dialogs.EndedAt) < negotiate.Linger
}

func idleTimer(c *fact.Conn) bool {
	if c.Peer == nil || c.Idle < 0 {
		return false
	}
	t, ok := c.Peer.IdleTimeout(c.By)
	return ok && t.Near(c.Idle)
}
