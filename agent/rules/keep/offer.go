// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// offers says whether x is the first copy of a request with keep on its
// topmost Via, in whatever form. What ACK and CANCEL have is inherited.
func offers(x *rule.Scene) bool {
	return x.Msg.Via.Keep.Present && x.Verdict == transaction.Fresh && x.Msg.Method != sipparse.MethodCancel
}

var valuedOffer = rule.Rule{
	ID:       "KEEP-01",
	Source:   "RFC 6223 sections 4.3, 8.2",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "A request offers keep-alives by a bare keep on its topmost Via; the number is for the response.",
	Broken:   "A request has keep with a number on its own Via",
	Silent: "ACK and CANCEL, which repeat the Via of an INVITE. Whether such an offer was accepted stays unknown: the " +
		"number in the response may be an echo.",
	Check: rule.Check{Only: rule.New | rule.Reuse, Request: offersNumber},
}

func offersNumber(x *rule.Scene) {
	if offers(x) && x.Tx.Offer.KeepValued {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

var malformed = rule.Rule{
	ID:       "KEEP-02",
	Source:   "RFC 6223 section 8.2",
	Severity: rule.Violation,
	Fault:    "who wrote the parameter",
	Asks:     "keep stands once on a Via, bare or with digits after the equals sign.",
	Broken:   "A Via has a keep that is neither bare nor a number",
	Silent:   "Responses to a request that was malformed already, and those whose request was not seen: they repeat its Via.",
	Check:    rule.Check{Only: rule.Reuse, Request: malformedOffer, Response: malformedAnswer},
}

func malformedOffer(x *rule.Scene) {
	if offers(x) && negotiate.Malformed(&x.Msg.Via) {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

func malformedAnswer(x *rule.Scene) {
	if !answers(x) || !negotiate.Malformed(&x.Msg.Via) {
		return
	}
	if o := &x.Tx.Offer; !o.KeepSeen || o.KeepBare || o.KeepValued {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

var wrongRequest = rule.Rule{
	ID:       "KEEP-03",
	Source:   "RFC 6223 sections 4.2.2, 4.2.3",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "Only REGISTER and requests that form a dialog or refresh its target negotiate keep-alives.",
	Broken:   "A request that cannot negotiate keep-alives offers them",
	Silent: "CANCEL, which repeats the Via of an INVITE; ACK is another rule's (KEEP-04), and so is a dialog for which " +
		"they are agreed (KEEP-19). Methods that are not known here are only noted.",
	Check: rule.Check{Only: rule.New | rule.Reuse, Request: offersInVain},
}

func offersInVain(x *rule.Scene) {
	if !offers(x) || x.Tx.Offer.Repeats || x.Tx.Offer.Carries() || negotiate.Malformed(&x.Msg.Via) {
		return
	}
	s := rule.Advice
	if x.Msg.Method == sipparse.MethodUnknown {
		s = rule.Info
	}
	x.RaiseAs(s, x.Writer(), "%s with Via: %s", x.Msg.MethodName, x.Msg.Via.Raw)
}

var onAck = rule.Rule{
	ID:       "KEEP-04",
	Source:   "RFC 6223 section 4.3",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "An ACK carries no keep on its topmost Via.",
	Broken:   "An ACK for a 2xx offers keep on its topmost Via",
	Silent: "ACKs for other final responses: they have to repeat the Via of the INVITE (RFC 3261 section 17.1.1.3). " +
		"Connections of which the beginning or some bytes were not seen, and dialogs whose 2xx was not.",
	Check: rule.Check{Only: rule.Reuse, Request: ackOffersKeep},
}

// ackOffersKeep judges ACKs of a transaction of their own only: Tx is known if
// the branch is the INVITE's. Whether there was one with that branch is not
// known if the connection was not seen from its beginning.
func ackOffersKeep(x *rule.Scene) {
	if x.Msg.Method != sipparse.MethodAck || !x.Msg.Via.Keep.Present || x.Verdict != transaction.Ack {
		return
	}
	if x.Tx == nil && x.Conn.Whole() && confirms(x) {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

// confirms says that the ACK's dialog is known, so that a 2xx was seen. A flow
// over UDP has no beginning: its INVITE may have gone before it was met.
func confirms(x *rule.Scene) bool {
	local, remote := x.Msg.FromTag, x.Msg.ToTag
	if x.Dir == event.In {
		local, remote = remote, local
	}
	id, ok := dialog.Of(x.Msg.CallID, local, remote)
	return ok && x.Dialogs.Find(id) != nil
}

var repeated = rule.Rule{
	ID:       "KEEP-19",
	Source:   "RFC 6223 section 4.3",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "Once keep-alives are agreed for a dialog, no later request of it to that neighbour carries keep.",
	Broken:   "A request offers keep for a dialog for which it is agreed",
	Silent: "Dialogs whose agreement was not seen, offers after one that was not accepted, requests to another neighbour, " +
		"ACK for an error and CANCEL, which repeat the Via of an INVITE.",
	Check: rule.Check{Only: rule.New | rule.Reuse, Request: offersAgain},
}

func offersAgain(x *rule.Scene) {
	if offers(x) && x.Tx.Offer.Repeats {
		x.Raise(x.Writer(), "%s within the dialog with Via: %s", x.Msg.MethodName, x.Msg.Via.Raw)
	}
}
