// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"hash/maphash"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var viaList = rule.Rule{
	ID:       "TP-24",
	Source:   "RFC 3261 sections 16.7 and 16.11",
	Severity: rule.Violation,
	Fault:    "forwarding proxy",
	Asks:     "A proxy that forwards a response removes its own topmost Via and leaves the others as they are.",
	Broken:   "A proxy on this host changed the Vias of a response beyond removing its own",
	Silent: "Both hops have to be seen, the response is known by its status and To tag. The value of keep is the proxy's own (KEEP-25), and so are received and rport that were missing. " +
		"A back-to-back user agent has a call of its own on each side.",
	Check: rule.Check{Response: relayed},
}

// relayed remembers, with the request that a proxy received, what the Vias of
// the newest response to its forks were, and compares the response that it
// sends with that.
func relayed(x *rule.Scene) {
	if x.Tx == nil {
		return
	}
	if x.Dir == event.In {
		if up := x.Tx.Upstream(); up != nil && x.Msg.Vias > 1 && x.Msg.Status > 100 {
			up.Relayed = readRelay(x, 1)
		}
		return
	}
	got := x.Tx.Relayed
	if got.Vias == 0 || int(got.Status) != x.Msg.Status || got.Tag != transaction.TagOf(x.Msg.ToTag) {
		return
	}
	sent := readRelay(x, 0)
	switch {
	case sent.Vias != got.Vias:
		x.Raise(event.Local, "%d to %s has %d Vias, it came with %d and the proxy's own", x.Msg.Status, x.Tx.Offer.Label, sent.Vias, got.Vias)
	case sent.Rest != got.Rest || got.Received != 0 && sent.Received != got.Received:
		x.Raise(event.Local, "Via: %s", x.Msg.Via.Raw)
	}
}

var viaSeed = maphash.MakeSeed()

// readRelay reads the Vias of x.Msg but for the first skip.
func readRelay(x *rule.Scene, skip int) transaction.Relayed {
	r := transaction.Relayed{Status: uint16(x.Msg.Status), Tag: transaction.TagOf(x.Msg.ToTag)}
	var p sipparse.Parser
	if _, err := p.Start(x.Msg.Head); err != nil {
		return r
	}
	var via sipparse.Via
	for p.Next() {
		if p.ID() != sipparse.HeaderVia {
			continue
		}
		for list := p.Field().Vias(); list.Next(&via); {
			if skip--; skip >= 0 {
				continue
			}
			r.Vias++
			if r.Vias == 1 && via.HasReceived {
				r.Received = maphash.Bytes(viaSeed, via.Received) | 1
			}
			r.Rest = r.Rest*31 + viaOf(&via, r.Vias > 1)
		}
	}
	return r
}

// viaOf maps what a Via means to a number: its parameters in any order, names
// in any case. received and rport count if whole is set, keep never.
func viaOf(via *sipparse.Via, whole bool) uint64 {
	n := maphash.Bytes(viaSeed, via.Host)*31 + uint64(via.Port)*7 + uint64(via.Transport)
	var param sipparse.Param
	for list := sipparse.Params(via.Params); list.Next(&param); {
		var b [16]byte
		name := lower(b[:0], param.Name)
		switch string(name) {
		case "keep":
			continue
		case "received", "rport":
			if !whole {
				continue
			}
		}
		n += maphash.Bytes(viaSeed, name) ^ maphash.Bytes(viaSeed, param.Value)*31
	}
	return n
}

func lower(to, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		to = append(to, c)
	}
	return to
}

var failure = rule.Rule{
	ID:       "TP-28",
	Source:   "RFC 3261 sections 17.1.4 and 18.4",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "A connection that breaks ends the client transactions on it; a proxy tries another target or says so upstream.",
	Broken:   "A proxy on this host neither tried another target nor answered after the connection of a forwarded request broke",
	Silent:   "Both hops have to be seen; what another client does about it cannot be. An answer or a new try is as it should be and not reported.",
	Check:    rule.Check{TimedOut: swallowed},
}

// swallowed judges when the time of the request that the proxy received is
// over, or that of the fork if the other has more because it rings.
func swallowed(x *rule.Scene) {
	if x.Tx.Dir == event.Out {
		if up := x.Tx.Upstream(); up != nil && up.Pending() && broke(x.Tx) && !triedAgain(up, x.Tx.Conn.EndedAt) {
			raiseSwallowed(x, x.Tx)
		}
		return
	}
	for fork := range x.Tx.Forks {
		if fork.Pending() && broke(fork) && !triedAgain(x.Tx, fork.Conn.EndedAt) {
			raiseSwallowed(x, fork)
			return
		}
	}
}

// broke says whether the connection of tx broke under it.
func broke(tx *transaction.Transaction) bool {
	c := tx.Conn
	return c.Stream() && c.EndedAt != 0 && c.EndedAt >= tx.Start && (c.How == event.RST || c.How == event.Timeout) && !c.Exiting && !c.Incomplete
}

func triedAgain(up *transaction.Transaction, since event.Time) bool {
	for fork := range up.Forks {
		if fork.Start >= since {
			return true
		}
	}
	return false
}

func raiseSwallowed(x *rule.Scene, tx *transaction.Transaction) {
	x.Raise(event.Local, "%s to %s, whose connection broke after %.1f s, was not given up", tx.Offer.Label, tx.Conn.Remote, tx.Conn.EndedAt.Sub(tx.Start).Seconds())
}
