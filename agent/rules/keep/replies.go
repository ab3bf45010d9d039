// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/sipparse"
)

// replies is what the responses to one offer said together.
type replies struct {
	given  bool // one had a value, the first of them value
	value  uint32
	bare   bool   // a provisional one came without, when none had a value
	sure   bool   // one that is sent reliably had a value
	loose  uint64 // To tag of the newest with a value that is not
	differ bool   // the one that is looked at has another value than the first
	late   bool   // it is the first that has one, and could have come earlier
	absent bool   // it should have a value, and has none

	// Of a request that a proxy on this host forwards: a response of the next
	// hop had a value below the topmost Via, and the proxy sent it on.
	below, belowGiven, passedOn bool
	belowValue                  uint32 // if belowGiven, on the Via of this request
}

// noteReply takes a response in, before the rules look at it.
func noteReply(x *rule.Scene) {
	if x.Tx == nil || !x.Tx.Offer.KeepBare || x.Verdict != transaction.Provisional && x.Verdict != transaction.Final || x.Msg.Status <= 100 {
		return
	}
	value, ok := accepts(x)
	n := note.Of[replies](x.Tx.Notes, note.Keep)
	if n == nil {
		if !ok && x.Msg.Status >= 200 {
			return // of no interest
		}
		n = note.On[replies](&x.Tx.Notes, note.Keep)
	}
	provisional, success := x.Msg.Status < 200, x.Msg.Status/100 == 2
	n.differ = ok && n.given && value != n.value
	n.late = ok && success && !n.given && n.bare
	n.absent = !ok && success && !n.sure && n.loose != 0 && n.loose == transaction.TagOf(x.Msg.ToTag)
	switch {
	case !ok:
		n.bare = n.bare || provisional && !n.given
		return
	case provisional && !reliable(x.Msg.Head):
		n.loose = transaction.TagOf(x.Msg.ToTag)
	default:
		n.sure = true
	}
	if !n.given {
		n.given, n.value = true, value
	}
}

// reliable says whether a provisional response is sent reliably (RFC 3262
// section 3).
func reliable(head []byte) bool {
	var p sipparse.Parser
	if _, err := p.Start(head); err != nil {
		return false
	}
	for p.Next() {
		if p.ID() == sipparse.HeaderRSeq {
			return true
		}
	}
	return false
}

// repliesTo is what noteReply noted of the response's transaction, or nil.
func repliesTo(x *rule.Scene) *replies {
	if x.Tx == nil || !x.Tx.Offer.KeepBare {
		return nil
	}
	return note.Of[replies](x.Tx.Notes, note.Keep)
}

var onlyLoose = rule.Rule{
	ID:       "KEEP-15",
	Source:   "RFC 6223 section 4.4",
	Severity: rule.Violation,
	Fault:    "responder",
	Asks:     "Who accepts keep-alives in answer to INVITE has the value in a response that is sent reliably.",
	Broken:   "Keep-alives are accepted in a provisional response that may get lost, and not in the 2xx",
	Silent:   "INVITEs that were not seen, that end without a 2xx, or whose 2xx comes from another fork.",
	Check:    rule.Check{Only: rule.New | rule.Reuse, Response: acceptsLoosely},
}

func acceptsLoosely(x *rule.Scene) {
	if x.Msg.Method != sipparse.MethodInvite || x.Msg.Status/100 != 2 || x.Verdict != transaction.Final {
		return
	}
	if n := repliesTo(x); n != nil && n.absent {
		x.Raise(x.Writer(), "keep=%d in a provisional response without RSeq, none in the %d", n.value, x.Msg.Status)
	}
}

var differing = rule.Rule{
	ID:       "KEEP-16",
	Source:   "RFC 6223 section 4.4",
	Severity: rule.Violation,
	Fault:    "responder",
	Asks:     "All responses to one request that have a value for keep have the same one.",
	Broken:   "Responses to one request have different values for keep",
	Silent:   "Offers that had a number themselves, and responses whose request was not seen.",
	Check:    rule.Check{Only: rule.Reuse, Response: valuesDiffer},
}

func valuesDiffer(x *rule.Scene) {
	if !x.Msg.Via.Keep.HasValue {
		return
	}
	if n := repliesTo(x); n != nil && n.differ && answers(x) {
		x.Raise(x.Writer(), "keep=%d in the %d, keep=%d in the first that had a value", x.Msg.Via.Keep.N, x.Msg.Status, n.value)
	}
}

var lateAcceptance = rule.Rule{
	ID:       "KEEP-17",
	Source:   "RFC 6223 section 4.4",
	Severity: rule.Info,
	Fault:    "responder",
	Asks:     "Who accepts keep-alives says so as early as possible.",
	Broken:   "Keep-alives are accepted only in the 2xx, though provisional responses came before",
	Silent:   "100, which is sent before anybody decides.",
	Check:    rule.Check{Only: rule.New | rule.Reuse, Response: acceptsLate},
}

func acceptsLate(x *rule.Scene) {
	if !x.Msg.Via.Keep.HasValue || x.Verdict != transaction.Final {
		return
	}
	if n := repliesTo(x); n != nil && n.late {
		x.Raise(x.Writer(), "Via: %s in the %d", x.Msg.Via.Raw, x.Msg.Status)
	}
}

var renegotiated = rule.Rule{
	ID:       "KEEP-20",
	Source:   "RFC 6223 sections 4.2.3, 4.3",
	Severity: rule.Violation,
	Fault:    "responder",
	Asks:     "What is agreed for a dialog stays: a later offer is ignored, so its response has no value, or at least no other one.",
	Broken:   "A response negotiates the keep-alives of a dialog anew",
	Silent:   "Dialogs whose first negotiation was not seen.",
	Check:    rule.Check{Only: rule.Reuse, Response: negotiatesAgain},
}

// negotiatesAgain: an offer that was on its way before the first was answered
// may get the same value, a later one gets none.
func negotiatesAgain(x *rule.Scene) {
	if !x.Msg.Via.Keep.HasValue || x.Tx == nil || x.Tx.Offer.Agreed == nil {
		return
	}
	value, ok := accepts(x)
	if a := x.Tx.Offer.Agreed; ok && (x.Tx.Offer.Repeats || value != a.Seconds) {
		x.Raise(x.Writer(), "keep=%d in response to %s, keep=%d agreed by %s", value, x.Tx.Offer.Label, a.Seconds, a.From)
	}
}
