// SPDX-License-Identifier: Apache-2.0

package keep

import "github.com/viaduct-project/viaduct/agent/rule"

// What the silence of a side breaks; see judge.

var neverSent = rule.Rule{
	ID:       "KEEP-07",
	Source:   "RFC 6223 section 4.3",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "Who offered keep-alives and got a value in the response starts to send them to that neighbour.",
	Broken:   "Keep-alives are agreed, and none is sent",
	Silent: "A peer until it shows itself again, and on UDP for half a minute more: the response may have been repeated. " +
		"Lost bytes, connections that ended. Without an interval the defaults of RFC 5626 for UDP and for devices on " +
		"battery apply, as advice; also where SIP messages fill the time, and for peers on UDP, whose NAT may have " +
		"given them another port.",
}

var leftBehind = rule.Rule{
	ID:       "KEEP-08",
	Source:   "RFC 6223 section 4.3",
	Severity: rule.Violation,
	Fault:    "keep-alive sender",
	Asks:     "Keep-alives for a dialog go where its next request would go.",
	Broken:   "The requests of a dialog use another connection, and no keep-alives go there",
	Silent: "For one interval after the move, and until a second request goes there while the first connection is open. " +
		"Requests that go to another neighbour, which may have become the next hop by the route set.",
}

var tooSeldom = rule.Rule{
	ID:       "KEEP-09",
	Source:   "RFC 6223 section 5, RFC 5626 section 4.4",
	Severity: rule.Violation,
	Fault:    "keep-alive sender",
	Asks:     "With a number agreed, no more than so many seconds pass between two keep-alives.",
	Broken:   "The time between two keep-alives was longer than agreed",
	Silent: "A tolerance of one second or 2 %. A peer until it shows itself again, one long sleep of a sender that was on " +
		"time before, lost bytes, the time while a registration is being refreshed. It is advice where SIP messages " +
		"fill the gap, and for peers on UDP.",
}

var stopped = rule.Rule{
	ID:       "KEEP-21",
	Source:   "RFC 6223 section 4.2.3",
	Severity: rule.Violation,
	Fault:    "keep-alive sender",
	Asks:     "Keep-alives for a dialog go on until the dialog ends.",
	Broken:   "Keep-alives stop while their dialog goes on",
	Silent: "Until twice the interval has passed, and a peer until it shows itself again. Senders whose keep-alives got no " +
		"answer (KEEP-30), lost bytes. It is advice where SIP messages fill the gap, and for peers on UDP.",
}

var silence = rule.Rule{
	ID:       "KEEP-32",
	Source:   "RFC 6223 section 5",
	Severity: rule.Info,
	Fault:    "nobody",
	Asks:     "What to do when agreed keep-alives stop is not prescribed; the receiver may take the connection for dead.",
	Broken:   "The side that owes keep-alives has fallen silent",
	Silent: "Four intervals, or twice the default where none was agreed. Senders on this host that break an interval " +
		"(KEEP-09, KEEP-21), and those that never began (KEEP-07).",
}
