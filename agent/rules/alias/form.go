// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"bytes"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var noTLS = rule.Rule{
	ID:       "AL-01",
	Source:   "RFC 5923 sections 3 and 8.2",
	Severity: rule.Info,
	Fault:    "request sender",
	Asks:     "The alias parameter has a meaning over TLS only.",
	Broken:   "alias is offered without TLS, where it means nothing",
	Silent:   "Where the Via says TLS although the connection is plain: something in front of the process ends TLS. Each peer is reported once; many stacks write alias everywhere.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.New | rule.Reuse, Request: offeredWithoutTLS},
}

var flag = rule.Rule{
	ID:       "AL-02",
	Source:   "RFC 5923 sections 7 and 8.1",
	Severity: rule.Info,
	Fault:    "request sender",
	Asks:     "alias is a flag: it has no value and stands once on a Via value.",
	Broken:   "alias has a value, or stands twice on one Via value",
	Silent:   "CANCEL and ACK, which inherit the Via of the INVITE.",
	Check:    rule.Check{Only: rule.New | rule.Reuse, Request: oddFlag},
}

var echo = rule.Rule{
	ID:       "AL-22",
	Source:   "RFC 3261 section 8.2.6.2 with RFC 5923 section 7",
	Severity: rule.Violation,
	Fault:    "responder",
	Asks:     "The topmost Via of a response has alias if that of the request had it, and only then.",
	Broken:   "A response adds alias to the Via of its request, or leaves it out",
	Silent:   "If the request was not seen. Nobody is named for a response that came in without TLS: something on the way may have changed it.",
	Check:    rule.Check{Only: rule.Reuse, Response: changedEcho},
}

// own says whether the Via is one that the sender made for this request: ACK
// and CANCEL repeat the INVITE's (RFC 3261 sections 9.1 and 17.1.1.3).
func own(x *rule.Scene) bool {
	return x.Verdict == transaction.Fresh && x.Msg.Method != sipparse.MethodCancel
}

// offeredWithoutTLS judges the first offer on each connection.
func offeredWithoutTLS(x *rule.Scene) {
	if !x.Msg.Via.Alias || x.Conn.Transport == event.TLS || !own(x) {
		return
	}
	if t := x.Msg.Via.Transport; t == sipparse.TransportTLS || t == sipparse.TransportWSS {
		return
	}
	if n := x.Conn.Neg; n != nil && n.Alias.At == x.Now && n.Alias.From == x.Msg.Label() {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

func oddFlag(x *rule.Scene) {
	if !x.Msg.Via.Alias || !own(x) {
		return
	}
	n, valued := 0, false
	var p sipparse.Param
	for list := sipparse.Params(x.Msg.Via.Params); list.Next(&p); {
		if bytes.EqualFold(p.Name, []byte("alias")) {
			n++
			valued = valued || p.HasValue
		}
	}
	if n > 1 || valued {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

func changedEcho(x *rule.Scene) {
	if x.Tx == nil || x.Msg.Via.Alias == x.Tx.Offer.Alias || x.Msg.Method == sipparse.MethodCancel ||
		x.Verdict == transaction.Retransmission {
		return
	}
	party := x.Writer()
	if party == event.Remote && x.Conn.Transport != event.TLS {
		party = event.Unknown
	}
	x.Raise(party, "Via: %s", x.Msg.Via.Raw)
}
