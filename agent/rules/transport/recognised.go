// SPDX-License-Identifier: Apache-2.0

package transport

import "github.com/viaduct-project/viaduct/agent/rule"

var accepted = rule.Rule{
	ID:       "TP-27",
	Source:   "RFC 3261 section 18",
	Severity: rule.Info,
	Fault:    "nobody",
	Asks:     "A connection that was accepted is known by the other side's source address and port, so requests go back over it by agreement or by chance only.",
	Silent:   "It cannot be broken: it is why a connection without any agreement is classed as uni-directional.",
	Standing: rule.Recognised,
}

var optionTag = rule.Rule{
	ID:       "TP-29",
	Source:   "RFC 3261 section 20.37",
	Severity: rule.Info,
	Fault:    "sender",
	Asks:     "Supported lists option tags of standards-track documents.",
	Silent:   "Of the tags that are none, only persistence is known here: it is read as an offer of the persistent-connection drafts, and not reported.",
	Standing: rule.Recognised,
}
