// SPDX-License-Identifier: Apache-2.0

package persistent

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
)

// limit bounds each of the maps below. Beyond it the map is emptied, which
// counts in mind.evicted.
const limit = 50_000

// mind is what the family remembers beyond one connection.
type mind struct {
	evicted uint64
	asked   map[uint64]refusal     // PERS-16, PERS-17: by Call-ID
	rate    map[netip.Addr]*minute // PERS-20
	kept    map[netip.Addr]int     // PERS-25: persistent connections of the peer
}

func newMind() any {
	return &mind{asked: make(map[uint64]refusal), rate: make(map[netip.Addr]*minute), kept: make(map[netip.Addr]int)}
}

// room empties a map that is full.
func room[K comparable, V any](m *mind, in map[K]V) {
	if len(in) >= limit {
		m.evicted += uint64(len(in))
		clear(in)
	}
}

// link is the family's note on a connection.
type link struct {
	dialog bool // a dialog-forming request offered
	paired bool // PERS-21 was raised
	over   bool // PERS-14 was raised
	kept   bool // counted in mind.kept
}

func linkOf(c *fact.Conn) *link { return note.On[link](&c.Notes, note.Persistent) }

func side(d event.Direction) event.Side { return fact.Side(d) }

// offering returns the offer of a new request of the originator, nil if it has
// none or is another request.
func offering(x *rule.Scene) *negotiate.Offer {
	if x.Verdict != transaction.Fresh || x.Tx == nil || !x.Tx.Offer.Persistent() || x.Conn.PersistentBy() != x.Writer() {
		return nil
	}
	return &x.Tx.Offer
}

// outcome of the offer at the end of c.
func outcome(c *fact.Conn) negotiate.Outcome {
	return c.Neg.Persistent.Outcome(c.EndedAt, c.By == c.Acceptor())
}
