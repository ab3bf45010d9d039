// SPDX-License-Identifier: Apache-2.0

package persistent

import (
	"fmt"

	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

var counter = rule.Rule{
	ID:       "PERS-15",
	Source:   draft + "01 section 8.2, 02 and 03 section 6.2",
	Severity: rule.Advice,
	Fault:    "server",
	Asks:     "A server that wants another time than the Persistent-Timeout of the request answers 4xx with Min-Persistence.",
	Broken:   "Min-Persistence is in a response that is no 4xx",
	Silent:   "Any 4xx: the draft never fixed the number.",
	Check:    rule.Check{Only: rule.Reuse, Response: strayCounter},
}

var retryValue = rule.Rule{
	ID:       "PERS-16",
	Source:   draft + "01 section 8.2, 02 and 03 section 6.2",
	Severity: rule.Violation,
	Fault:    "request sender",
	Asks:     "After a 4xx with Min-Persistence the client tries again, with the smaller of its own Persistent-Timeout and Min-Persistence.",
	Broken:   "The retry after Min-Persistence asks for another time",
	Silent:   "Retries without an offer, which give it up. If Min-Persistence was the larger one both values are accepted: the draft wants the server to be able to raise the time, and its formula does not let it. No retry within 32 s is info.",
	Check:    rule.Check{Only: rule.New, Request: retries, Response: gaveUp},
}

var loop = rule.Rule{
	ID:       "PERS-17",
	Source:   "viaduct, from " + draft + "03 section 6.2",
	Severity: rule.Advice,
	Fault:    "both",
	Asks:     "Two sides that cannot agree on a time stop trying.",
	Broken:   "The same request was turned down with Min-Persistence three times in a row",
	Silent:   "Whose values do not move is shown by the evidence; nobody is named.",
	Check:    rule.Check{Only: rule.New | rule.Reuse | rule.Failure, Response: turnedDown},
}

// refusal is a 4xx with Min-Persistence.
type refusal struct {
	at       event.Time
	dir      event.Direction
	method   sipparse.Method
	asked    uint32 // Persistent-Timeout of the request
	hasAsked bool
	least    uint32 // Min-Persistence
	times    int    // in a row
	answered bool   // by a retry
}

func strayCounter(x *rule.Scene) {
	if x.Msg.MinPersistence.Present && x.Msg.Status/100 != 4 {
		x.Raise(x.Writer(), "Min-Persistence: %d in a %d", x.Msg.MinPersistence.N, x.Msg.Status)
	}
}

// noteRefusal keeps the newest refusal of a call until another answer comes.
func noteRefusal(x *rule.Scene) {
	if x.Verdict != transaction.Final || !x.Tx.Offer.Persistent() {
		return
	}
	m, call := x.Mine.(*mind), x.Tx.Asked.Call
	if !refuses(x) {
		delete(m.asked, call)
		return
	}
	r := refusal{
		at: x.Now, dir: x.Tx.Dir, method: x.Msg.Method, least: x.Msg.MinPersistence.N, times: m.asked[call].times + 1,
		hasAsked: x.Tx.Offer.HasTimeout, asked: x.Tx.Offer.TimeoutSecs,
	}
	room(m, m.asked)
	m.asked[call] = r
}

// refuses says whether the message is a 4xx with Min-Persistence that answers
// an offer.
func refuses(x *rule.Scene) bool {
	return x.Msg.MinPersistence.Valid && x.Msg.Status/100 == 4 && x.Verdict == transaction.Final && x.Tx.Offer.Persistent()
}

func turnedDown(x *rule.Scene) {
	if !refuses(x) {
		return
	}
	if r := x.Mine.(*mind).asked[x.Tx.Asked.Call]; r.times >= turnedDownOften {
		x.Raise(event.Unknown, "%d times, the last with Persistent-Timeout: %s and Min-Persistence: %d", r.times, r.own(), r.least)
	}
}

const turnedDownOften = 3

func (r *refusal) own() string {
	if !r.hasAsked {
		return "none"
	}
	return fmt.Sprint(r.asked)
}

// allows says whether a retry may ask for this.
func (r *refusal) allows(seconds uint32) bool {
	if !r.hasAsked || r.least <= r.asked {
		return seconds == r.least
	}
	return seconds == r.least || seconds == r.asked
}

// gaveUp looks whether a refusal was followed by a retry.
func gaveUp(x *rule.Scene) {
	if !refuses(x) {
		return
	}
	m, call, writer, now := x.Mine.(*mind), x.Tx.Asked.Call, side(x.Tx.Dir), x.Now
	x.After(transaction.Timeout, func(x *rule.Scene) {
		if r, known := m.asked[call]; known && r.at == now && !r.answered {
			x.RaiseAs(rule.Info, writer, "no retry within %s of Min-Persistence: %d", transaction.Timeout, r.least)
		}
	})
}

func retries(x *rule.Scene) {
	m := x.Mine.(*mind)
	if len(m.asked) == 0 || x.Verdict != transaction.Fresh || x.Tx == nil {
		return
	}
	call := x.Tx.Asked.Call
	r, known := m.asked[call]
	if !known || r.answered || x.Dir != r.dir || x.Msg.Method != r.method {
		return
	}
	r.answered = true
	m.asked[call] = r
	o := &x.Tx.Offer
	switch {
	case !o.Persistent():
	case !o.HasTimeout:
		x.Raise(x.Writer(), "no Persistent-Timeout after Min-Persistence: %d, own %s", r.least, r.own())
	case !r.allows(o.TimeoutSecs):
		x.Raise(x.Writer(), "Persistent-Timeout: %d after Min-Persistence: %d, own %s", o.TimeoutSecs, r.least, r.own())
	}
}
