// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var keeping = []rule.Rule{
	{
		ID:       "POL-07",
		Source:   "RFC 3261 section 7.5, RFC 5626 section 3.5.1",
		Severity: rule.Advice,
		Fault:    "program on this host",
		Asks: "A program reads past a CRLF between two messages. viaduct has a ping sent for it answered by the peer " +
			"with one, and keeps the connections of a program that cannot stand that alive by the kernel's TCP keep-alives from then on.",
		Broken: "A program of this host suffers from the answers to the pings that are sent for it",
		Silent: "Programs that were seen to cope with an answer. Closes more than 150 ms after it, unless the program " +
			"owes keep-alives on the connection: then more than a second after it, but not from 15 to 35 seconds, as a program " +
			"closes that waits for the rest of a message. Closes by viaduct. Requests that came behind a pong and are not " +
			"answered, of programs that have answered such a one, or sent it on, or send pings.",
		Standing: rule.ByPolicy,
		Check:    rule.Check{Assisted: suffers},
	},
	{
		ID:       "POL-08",
		Source:   "RFC 5626 sections 4.4.1, 4.4.2; RFC 6223 section 10",
		Severity: rule.Advice,
		Fault:    "nobody",
		Asks: "A flow is alive: who has answered keep-alives goes on to, a ping within 10 seconds, a Binding request " +
			"within 39.5 seconds, and with a success.",
		Broken: "A flow has failed: the keep-alives that are sent for its program get no answer",
		Silent: "Peers that have never answered a ping, as several never do. Lost bytes. Connections on which viaduct " +
			"sends none, or the kernel does.",
		Standing: rule.ByPolicy,
		Check:    rule.Check{Assisted: failed},
	},
	{
		ID:       "POL-09",
		Source:   "RFC 5626 section 4.4.2",
		Severity: rule.Advice,
		Fault:    "nobody",
		Asks:     "The address that the peer sees of a UDP flow stays as it is.",
		Broken:   "A flow has failed: its peer sees it come from another address than before",
		Silent:   "Flows on which viaduct sends no Binding requests, and responses without XOR-MAPPED-ADDRESS.",
		Standing: rule.ByPolicy,
		Check:    rule.Check{Assisted: moved},
	},
}

func suffers(x *rule.Scene) {
	if x.Upkeep.Harm == assist.Unharmed {
		return
	}
	x.RaiseFor(uint64(x.Upkeep.Harm), rule.Advice, event.Local, "%s: %s, %s after a pong to viaduct's ping",
		name(x), x.Upkeep.Harm, x.Upkeep.After.Round(time.Millisecond))
}

func name(x *rule.Scene) string {
	if x.Conn.Owner.Name == "" {
		return "a program of unknown name"
	}
	return x.Conn.Owner.Name
}

func failed(x *rule.Scene) {
	u := &x.Upkeep
	switch {
	case u.Refused > 0:
		x.Raise(event.Unknown, "Binding error response %d", u.Refused)
		return
	case !u.Unanswered:
		return
	case u.Method == assist.STUN:
		x.Raise(event.Unknown, "no Binding response within %s; nothing more is sent until keep-alives are agreed anew", u.After)
		return
	}
	x.Raise(event.Unknown, "no pong within %s, from a peer that has answered before", u.After)
	if x.Conn.Row.Keepalive.CloseOnFailure {
		x.Wish(rule.Wish{Action: rule.Close, Reason: "no pong within " + u.After.String() + ", policy row " + x.Conn.Row.Name + ": on_failure close"})
	}
}

func moved(x *rule.Scene) {
	if u := &x.Upkeep; u.Before.IsValid() {
		x.Raise(event.Unknown, "XOR-MAPPED-ADDRESS %s, before it was %s", u.Mapped, u.Before)
	}
}
