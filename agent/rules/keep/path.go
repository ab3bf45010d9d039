// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

var valueForwarded = rule.Rule{
	ID:       "KEEP-24",
	Source:   "RFC 6223 section 10",
	Severity: rule.Violation,
	Fault:    "forwarding proxy",
	Asks:     "A proxy that forwards a request leaves the keep of the Via that it received without a value.",
	Broken:   "A request has keep with a value on a Via below the topmost",
	Silent: "Proxies on this host whose incoming request was not seen, or had the value already. In requests that arrive " +
		"any node on the way may have written it: that is advice.",
	Check: rule.Check{Only: rule.New | rule.Reuse, Request: forwardsValue},
}

func forwardsValue(x *rule.Scene) {
	if !x.Msg.LowerKeep || x.Verdict != transaction.Fresh || x.Tx == nil {
		return
	}
	if x.Dir == event.In || x.Conn.Sideless {
		x.RaiseAs(rule.Advice, event.Unknown, "Via: %s below the topmost", x.Msg.Second.Raw)
		return
	}
	up := x.Tx.Upstream()
	if _, valued := negotiate.Value(&x.Msg.Second); valued && up != nil && !up.Offer.KeepValued {
		x.Raise(event.Local, "Via: %s, received without the value", x.Msg.Second.Raw)
	}
}

var valuePassedOn = rule.Rule{
	ID:       "KEEP-25",
	Source:   "RFC 6223 section 10",
	Severity: rule.Advice,
	Fault:    "forwarding proxy",
	Asks:     "A proxy takes values for keep off the Vias below the topmost before it forwards a response.",
	Broken:   "A proxy forwards a value for keep that the next hop wrote for a neighbour not its own",
	Silent: "Values that the request had already. A proxy that has chosen the same number by itself cannot be told from " +
		"one that lets it through.",
	Check: rule.Check{Only: rule.Reuse | rule.Outgoing, Response: passesOn},
}

func passesOn(x *rule.Scene) {
	if !x.Msg.LowerKeep && !x.Msg.Via.Keep.HasValue || x.Dir != event.Out || x.Tx == nil || x.Tx.Dir != event.In {
		return
	}
	n := note.Of[replies](x.Tx.Notes, note.Keep)
	if n == nil || !n.below {
		return
	}
	value, ok := negotiate.Value(&x.Msg.Via)
	switch {
	case ok && n.belowGiven && value == n.belowValue && x.Tx.Offer.KeepBare:
		x.Raise(event.Local, "Via: %s", x.Msg.Via.Raw)
	case x.Msg.LowerKeep && !x.Tx.Offer.KeepLower:
		x.Raise(event.Local, "Via: %s below the topmost", x.Msg.Second.Raw)
	default:
		return
	}
	n.passedOn = true
}

var valueBelow = rule.Rule{
	ID:       "KEEP-26",
	Source:   "RFC 6223 section 10",
	Severity: rule.Advice,
	Fault:    "next hop",
	Asks:     "Only a neighbour of a Via's owner accepts its keep: a response has no values below the topmost Via.",
	Broken:   "A response arrives with a value for keep below the topmost Via",
	Silent: "Responses whose request was not seen, or had the value already. If the proxy on this host forwards the value, " +
		"KEEP-25 says so instead.",
	Scope: rule.PerPeer,
	Check: rule.Check{Only: rule.Reuse, Response: belowTop},
}

func belowTop(x *rule.Scene) {
	if !x.Msg.LowerKeep || x.Dir != event.In || x.Tx == nil || x.Tx.Offer.KeepLower ||
		x.Verdict != transaction.Provisional && x.Verdict != transaction.Final {
		return
	}
	peer := x.Writer()
	via := string(x.Msg.Second.Raw)
	up := x.Tx.Upstream()
	if up == nil {
		x.Raise(peer, "Via: %s below the topmost", via)
		return
	}
	n := note.On[replies](&up.Notes, note.Keep)
	n.below = true
	n.belowValue, n.belowGiven = negotiate.Value(&x.Msg.Second)
	const forwarding = time.Second
	x.After(forwarding, func(x *rule.Scene) {
		if !n.passedOn {
			x.Raise(peer, "Via: %s below the topmost", via)
		}
	})
}
