// SPDX-License-Identifier: Apache-2.0

package rport

import "github.com/viaduct-project/viaduct/agent/rule"

var repeats = rule.Rule{
	ID:       "RP-07",
	Source:   "RFC 3581 section 3",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "Behind a NAT an INVITE with rport that waits is repeated by UDP every 20 seconds or so, after a 1xx too.",
	Silent: "Hardly anybody does it, RFC 3261 section 17.1.1.2 says otherwise and keep-alives do the same: that it is missing is not reported. " +
		"Such repeats are not held against TP-22.",
	Standing: rule.Recognised,
}

var streams = rule.Rule{
	ID:       "RP-08",
	Source:   "RFC 3581 sections 4 and 7",
	Severity: rule.Info,
	Fault:    "nobody",
	Asks:     "received and rport are filled in over every transport, and route responses by UDP only.",
	Silent:   "It cannot be broken: over TCP and TLS the connection decides where a response goes (TP-03), whatever rport says.",
	Standing: rule.Recognised,
}

var learned = rule.Rule{
	ID:       "RP-10",
	Source:   "RFC 3581 sections 9, 9.2 and 9.3",
	Severity: rule.Info,
	Fault:    "request sender",
	Asks:     "A client may learn its public address from received and rport, and register with that.",
	Silent:   "It cannot be broken: a Contact that names the very address and port its connection comes from makes requests over that connection expected.",
	Standing: rule.Recognised,
}
