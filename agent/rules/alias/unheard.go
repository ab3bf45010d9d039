// SPDX-License-Identifier: Apache-2.0

package alias

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

func side(d event.Direction) event.Side { return fact.Side(d) }

var unheard = rule.Rule{
	ID:       "AL-19",
	Source:   "RFC 5923 section 8.1",
	Severity: rule.Violation,
	Fault:    "client (originator)",
	Asks:     "A client that offered alias takes requests from the other side on that connection.",
	Broken:   "The side that offered alias does not answer a request that came back on the connection",
	Silent:   "Without TLS. Any answer will do, also an error or one on another connection. Silent if the connection was not seen whole, if the process was exiting, or if the sender of the request closed.",
	Check:    rule.Check{TimedOut: neverAnswered},
}

var rejected = rule.Rule{
	ID:       "AL-23",
	Source:   "RFC 5923 section 8.2",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A server that does not use an alias treats the request as if the parameter were not there.",
	Broken:   "A request was rejected for its alias: without it the same one succeeds",
	Silent:   "Unless the same call is tried again without alias within 32 s and gets a 2xx. Challenges and other answers that ask for another try are not counted, nor those that say something about the callee.",
	Check:    rule.Check{Only: rule.New, Response: rejectsAlias, Request: triesWithout},
}

// neverAnswered judges requests of the acceptor that had no response at all.
func neverAnswered(x *rule.Scene) {
	c, tx := x.Conn, x.Tx
	if c.AliasBy() == event.Unknown || side(tx.Dir) != c.Acceptor() || tx.Status() != 0 || !c.Whole() ||
		tx.Key.Method == sipparse.MethodCancel || tx.Start < c.Neg.Alias.At || c.PersistentBy() != event.Unknown {
		return
	}
	what := "no response within 32 s"
	if c.EndedAt != 0 && c.EndedAt <= x.Now {
		if n := note.Of[mark](tx.Notes, note.Alias); n == nil || !n.owed {
			return
		}
		what = "the connection was closed on it after " + c.EndedAt.Sub(tx.Start).Round(time.Millisecond).String()
	}
	x.Raise(c.Initiator, "%s came back: %s; alias offered by %s", tx.Offer.Label, what, c.Neg.Alias.From)
}

// rejection is a request with alias that was turned down.
type rejection struct {
	at     event.Time
	method sipparse.Method
	dir    event.Direction
	status int
}

// mark is the family's note on a transaction.
type mark struct {
	first int  // AL-23: status that the same request got with alias
	owed  bool // the closer had not answered it
}

// retryWithin is how long a second try is one of the same request.
const retryWithin = transaction.Timeout

// suspicious says whether a server that dislikes a Via parameter would answer
// so: that the message is bad, or that it cannot cope with it.
func suspicious(status int) bool {
	switch status {
	case 400, 403, 420, 421, 500, 501, 513:
		return true
	}
	return false
}

func rejectsAlias(x *rule.Scene) {
	if x.Verdict != transaction.Final {
		return
	}
	if x.Msg.Status/100 == 2 {
		if x.Tx.Notes == nil {
			return
		}
		if n := note.Of[mark](x.Tx.Notes, note.Alias); n != nil && n.first != 0 {
			x.Raise(x.Writer(), "%d for %s with alias, %d without it", n.first, x.Msg.Method, x.Msg.Status)
		}
		return
	}
	if x.Tx.Offer.Alias && suspicious(x.Msg.Status) {
		m := x.Mine.(*mind)
		room(m, m.rejected)
		m.rejected[x.Tx.Asked.Call] = rejection{x.Now, x.Msg.Method, x.Tx.Dir, x.Msg.Status}
	}
}

func triesWithout(x *rule.Scene) {
	m := x.Mine.(*mind)
	if len(m.rejected) == 0 || x.Verdict != transaction.Fresh {
		return
	}
	r, known := m.rejected[x.Tx.Asked.Call]
	if !known || x.Dir != r.dir || x.Msg.Method != r.method {
		return
	}
	delete(m.rejected, x.Tx.Asked.Call)
	if !x.Msg.Via.Alias && x.Now.Sub(r.at) <= retryWithin {
		note.On[mark](&x.Tx.Notes, note.Alias).first = r.status
	}
}
