// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var retransmission = rule.Rule{
	ID:       "TP-21",
	Source:   "RFC 3261 sections 17.1.1.2 and 17.2.1",
	Severity: rule.Advice,
	Fault:    "sender",
	Asks:     "Over a stream no request and no final response other than a 2xx to INVITE is sent again.",
	Broken:   "A message was sent again over a stream",
	Silent:   "A 2xx to INVITE and its ACK are repeated end to end on every transport. A non-INVITE request that was answered is forgotten.",
	Check:    rule.Check{Only: rule.Again, Request: askedAgain, Response: answeredAgain},
}

func askedAgain(x *rule.Scene) {
	if x.Verdict == transaction.Retransmission && x.Conn.Stream() && x.Msg.Method != sipparse.MethodAck &&
		!x.Conn.Incomplete && x.Tx.Asked.CSeq == x.Msg.CSeq.N && x.Tx.Conn == x.Conn {
		x.Raise(x.Writer(), "%s again after %.1f s", x.Msg.Label(), x.Now.Sub(x.Tx.Start).Seconds())
	}
}

func answeredAgain(x *rule.Scene) {
	if x.Verdict == transaction.Retransmission && x.Conn.Stream() && x.Msg.Status >= 300 && !x.Conn.Incomplete && x.Tx.Conn == x.Conn {
		x.Raise(x.Writer(), "%d to %s again after %.1f s", x.Msg.Status, x.Tx.Offer.Label, x.Now.Sub(x.Tx.FinalAt).Seconds())
	}
}

var schedule = rule.Rule{
	ID:       "TP-22",
	Source:   "RFC 3261 sections 17.1.1.2 and 17.1.2.2",
	Severity: rule.Advice,
	Fault:    "sender",
	Asks:     "By UDP a request without a response is sent again after T1, twice that and so on, non-INVITE at most every 4 s, for 64*T1.",
	Broken:   "A request was not sent again by UDP as its timers ask",
	Silent: "After the first response; copies of a neighbour may be lost on their way, so only ones that come too soon are judged; the flow was cut or nothing else came from the other side. " +
		"T1 is taken from the first two copies. An INVITE that is repeated after a 1xx because of a NAT is RP-07. A lone OPTIONS is worth an info.",
	Scope: rule.PerPeer,
	Check: rule.Check{Only: rule.Again | rule.Datagram, Request: gap, TimedOut: never},
}

const (
	t2    = 4 * time.Second
	slack = 100 * time.Millisecond
	echo  = 50 * time.Millisecond // what comes sooner is the network's copy
)

// gap compares the newest two gaps between copies.
func gap(x *rule.Scene) {
	if x.Verdict != transaction.Retransmission || x.Conn.Transport != event.UDP || x.Msg.Method == sipparse.MethodAck {
		return
	}
	tx := x.Tx
	if tx.AnsweredAt != 0 || tx.Asked.CSeq != x.Msg.CSeq.N || len(tx.Again) < 2 || int(tx.Copies) != len(tx.Again)+1 || tx.Conn.Incomplete {
		return
	}
	before := tx.Start
	if n := len(tx.Again); n > 2 {
		before = tx.Again[n-3]
	}
	n := len(tx.Again)
	last, now := tx.Again[n-2].Sub(before), tx.Again[n-1].Sub(tx.Again[n-2])
	if last < echo || now < echo {
		return
	}
	want := 2 * last
	if x.Msg.Method != sipparse.MethodInvite {
		want = min(want, max(t2, last))
	}
	early := now < want*3/4-slack && !(x.Msg.Method != sipparse.MethodInvite && now >= t2*3/4)
	late := now > want*5/4+slack && x.Dir == event.Out
	if early || late {
		x.Raise(x.Writer(), "%s again after %.2f s and then after %.2f s", x.Msg.Label(), last.Seconds(), now.Seconds())
	}
}

// never judges a request that was sent once and not answered. An ICMP error
// ends a transaction and is not seen, and an observer may see one direction
// only: something else must have come since from the other side.
func never(x *rule.Scene) {
	tx, c := x.Tx, x.Tx.Conn
	if c.Transport != event.UDP || tx.Copies != 1 || tx.Status() != 0 || c.Incomplete || c.EndedAt != 0 && c.EndedAt < x.Now {
		return
	}
	back := c.LastIn
	if tx.Dir == event.In {
		back = c.LastOut
	}
	if back <= tx.Start {
		return
	}
	s := rule.Advice
	if tx.Key.Method == sipparse.MethodOptions {
		s = rule.Info
	}
	x.RaiseAs(s, x.Writer(), "%s was sent once and has no response", tx.Offer.Label)
}
