// SPDX-License-Identifier: Apache-2.0

package keep

import (
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// answers says whether x is the first copy of a response to a request that was
// seen, with keep on its topmost Via in whatever form.
func answers(x *rule.Scene) bool {
	return x.Msg.Via.Keep.HasValue && x.Tx != nil && (x.Verdict == transaction.Provisional || x.Verdict == transaction.Final)
}

// accepts returns the value by which a response accepts an offer; ok is false
// if it does not, or may only echo what the offer said.
func accepts(x *rule.Scene) (value uint32, ok bool) {
	if !answers(x) || !x.Tx.Offer.KeepBare {
		return 0, false
	}
	return negotiate.Value(&x.Msg.Via)
}

var unequalTimer = rule.Rule{
	ID:       "KEEP-11",
	Source:   "RFC 6223 section 5, RFC 5626 section 5.4",
	Severity: rule.Violation,
	Fault:    "responder",
	Asks:     "Who puts both keep with a number and Flow-Timer into one response gives both the same number.",
	Broken:   "A response gives one number by keep and another one by Flow-Timer",
	Silent: "Offers that had a number themselves. It is advice where another node may have written Flow-Timer, as the " +
		"response has several Vias, and for keep=0, which recommends nothing.",
	Check: rule.Check{Only: rule.Reuse, Response: timersDiffer},
}

func timersDiffer(x *rule.Scene) {
	if !x.Msg.FlowTimer.Valid {
		return
	}
	value, ok := accepts(x)
	if !ok || value == x.Msg.FlowTimer.N {
		return
	}
	s := rule.Violation
	if x.Msg.Vias > 1 || value == 0 {
		s = rule.Advice
	}
	x.RaiseAs(s, x.Writer(), "keep=%d, Flow-Timer: %d", value, x.Msg.FlowTimer.N)
}

var unasked = rule.Rule{
	ID:       "KEEP-14",
	Source:   "RFC 6223 section 4.4",
	Severity: rule.Violation,
	Fault:    "responder",
	Asks:     "A response has a value for keep only if the request offered keep on that Via.",
	Broken:   "A response accepts keep-alives that nobody offered",
	Silent:   "Responses whose request was not seen.",
	Check:    rule.Check{Only: rule.Reuse, Response: acceptsUnasked},
}

func acceptsUnasked(x *rule.Scene) {
	if answers(x) && !x.Tx.Offer.KeepSeen && !negotiate.Malformed(&x.Msg.Via) {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

var shortRegistration = rule.Rule{
	ID:       "KEEP-34",
	Source:   "RFC 6223 sections 1, 4.1",
	Severity: rule.Advice,
	Fault:    "registrar or proxy",
	Asks:     "A server whose client keeps the flow alive does not force it to register again and again for the same purpose.",
	Broken:   "A server accepts keep-alives and still grants less than two minutes of registration",
	Silent:   "Registrations that the client itself asked to be so short.",
	Check:    rule.Check{Only: rule.Reuse | rule.Register, Response: grantsLittle},
}

func grantsLittle(x *rule.Scene) {
	const enough = 120
	if x.Msg.Method != sipparse.MethodRegister || x.Msg.Status/100 != 2 {
		return
	}
	value, ok := accepts(x)
	if !ok || x.Tx.Binds == nil {
		return
	}
	for _, b := range x.Bindings.Changed {
		granted := b.Until.Sub(x.Now).Seconds()
		asked, said := x.Tx.Binds.Seconds(&b.Contact)
		if granted < enough && !(said && asked < enough) {
			x.Raise(x.Writer(), "keep=%d, registered for %.0f s", value, granted)
			return
		}
	}
}

var hurried = rule.Rule{
	ID:       "KEEP-35",
	Source:   "RFC 6223 section 10",
	Severity: rule.Advice,
	Fault:    "unknown",
	Asks:     "On hops without TLS somebody on the way could make the number small, to cause needless traffic.",
	Broken:   "Keep-alives are to be sent every few seconds, on a hop that anybody could have tampered with",
	Silent:   "Numbers of ten and more, and TLS.",
	Check:    rule.Check{Only: rule.Reuse, Response: asksForMany},
}

func asksForMany(x *rule.Scene) {
	const few = 10
	if value, ok := accepts(x); ok && value > 0 && value < few && x.Conn.Transport != event.TLS {
		x.Raise(event.Unknown, "Via: %s", x.Msg.Via.Raw)
	}
}
