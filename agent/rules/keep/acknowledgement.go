// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/sipparse"
)

var onAck = rule.Rule{
	ID:       "KEEP-04",
	Source:   "RFC 6223 section 4.3",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "An ACK carries no keep on its topmost Via.",
	Broken:   "An ACK for a 2xx offers keep on its topmost Via",
	Silent:   "ACKs for other final responses: they have to repeat the Via of the INVITE (RFC 3261 section 17.1.1.3).",
	Check:    rule.Check{Request: ackOffersKeep},
}

// ackOffersKeep judges ACKs of a transaction of their own only: Tx is known if
// the branch is the INVITE's. Whether there was one with that branch is not
// known if the connection was not seen from its beginning.
func ackOffersKeep(x *rule.Scene) {
	if x.Msg.Method != sipparse.MethodAck || !x.Msg.Via.Keep.Present || x.Verdict != transaction.Ack {
		return
	}
	if x.Tx == nil && x.Conn.Whole() {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}
