// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var noAnswer = rule.Rule{
	ID:       "STUN-03",
	Source:   "RFC 5626 sections 5.4, 6, 8",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "Who takes part in outbound answers Binding requests at the UDP port where it takes SIP.",
	Broken:   "Binding requests that outbound promised to answer get no answer",
	Silent: "Peers, which may not have got the request; servers that agreed to nothing, or by keep alone (KEEP-31); " +
		"malformed requests and lost datagrams.",
	Check: rule.Check{Beat: unanswered},
}

// unanswered sets a timer for the first retransmission, and judges a request
// that was sent once by the time the next one comes.
func unanswered(x *rule.Scene) {
	n := seen(x, keepalive.StunRequest)
	if n == nil || x.Dir != event.In {
		return
	}
	a := &n.ends[index(x.Dir)]
	if n.at.sends == 1 {
		overdue(x, a, again, n.at)
	} else if !a.watched && n.at.answers == 0 {
		a.watched = true
		x.At(n.at.first.Add(life), answerDue)
	}
}

func answerDue(x *rule.Scene) {
	a := &note.Of[talk](x.Conn.Notes, note.STUN).ends[index(event.In)]
	a.watched = false
	x.Dir = event.In
	overdue(x, a, life, nil)
}

func overdue(x *rule.Scene, a *asker, wait time.Duration, not *tx) {
	for i := range a.txs {
		t := &a.txs[i]
		if t == not || t.judged || t.answers > 0 || !t.whole || x.Now.Sub(t.first) < wait {
			continue
		}
		t.judged = true
		if b := x.Conn.Neg.Beats(x.Dir, t.first); (b.Required || b.Path) && !x.Conn.Incomplete {
			x.Raise(event.Local, "%d copies of a Binding request in %v, no answer", t.sends, x.Now.Sub(t.first).Round(time.Second))
		}
	}
}

var everyCopy = rule.Rule{
	ID:       "STUN-17",
	Source:   "RFC 8489 section 6.3.1",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A server answers a retransmitted request too.",
	Broken:   "A retransmitted Binding request gets no answer though the first copy did",
	Silent: "Peers; copies that came before the first answer; servers that agreed to nothing. Fewer than three on a " +
		"flow are advice: the socket's buffer may have been full.",
	Check: rule.Check{Beat: copyAnswered},
}

const copyWaits = 5 * time.Second

func copyAnswered(x *rule.Scene) {
	n := seen(x, keepalive.StunRequest)
	if n == nil || x.Dir != event.In || n.at.due == 0 {
		return
	}
	if b := x.Conn.Neg.Beats(x.Dir, x.Now); !b.Agreed() {
		return
	}
	if a := &n.ends[index(x.Dir)]; !a.waits {
		a.waits = true
		x.After(copyWaits, copyDue)
	}
}

func copyDue(x *rule.Scene) {
	a := &note.Of[talk](x.Conn.Notes, note.STUN).ends[index(event.In)]
	a.waits = false
	if x.Conn.Incomplete {
		return
	}
	const often = 3
	for i := range a.txs {
		t := &a.txs[i]
		if t.due == 0 {
			continue
		}
		t.due = 0
		a.missed++
		s := rule.Advice
		if a.missed >= often {
			s = rule.Violation
		}
		x.RaiseAs(s, event.Local, "%d copies of a Binding request, %d answers", t.sends, t.answers)
	}
}
