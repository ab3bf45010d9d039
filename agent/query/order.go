// SPDX-License-Identifier: Apache-2.0

package query

import (
	"cmp"
	"fmt"
	"slices"
)

// What lists can be sorted by; what is most comes first, and that is the order
// if nothing else is asked for.
var (
	Connections = []string{"newest", "idle", "requests", "bytes", "findings"}
	Findings    = []string{"newest", "severity", "count"}
	Peers       = []string{"connections", "requests", "avoidable"}
	Actions     = []string{"newest"}
)

// Order is one of these, or "" for the first. Reverse puts the least first.
type Order struct {
	By      string
	Reverse bool
}

// Plain says whether o is the order in which connections are kept, which need
// not be sorted.
func (o Order) Plain() bool { return (o.By == "" || o.By == "newest") && !o.Reverse }

// Place is where something stands in an order: by key, and those with the same
// key by ID, the larger first. It is stable, so that a list can be gone on with
// behind it, whatever has come or gone.
type Place struct {
	Key int64
	ID  uint64
}

// Compare is negative if p comes before q.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(q.Key, p.Key), cmp.Compare(q.ID, p.ID))
}

// String is p as a cursor, and ParsePlace reads it.
func (p Place) String() string { return fmt.Sprintf("%d.%d", p.Key, p.ID) }

// ParsePlace reads a cursor.
func ParsePlace(s string) (p Place, err error) {
	var rest string
	if n, _ := fmt.Sscanf(s, "%d.%d%s", &p.Key, &p.ID, &rest); n != 2 || p.String() != s {
		return p, fmt.Errorf("after=%q: not a cursor that this agent has given", s)
	}
	return p, nil
}

// Best keeps the first places of an order, up to a limit, of any number that
// it is shown.
type Best struct {
	limit int
	after *Place
	kept  []Place
	more  bool
}

// NewBest returns a Best for limit places behind after, which may be nil.
func NewBest(limit int, after *Place) *Best { return &Best{limit: limit, after: after} }

// Add shows one more.
func (b *Best) Add(p Place) {
	if b.after != nil && p.Compare(*b.after) <= 0 {
		return
	}
	if b.kept = append(b.kept, p); len(b.kept) >= 4*b.limit+256 {
		b.cut()
	}
}

func (b *Best) cut() {
	slices.SortFunc(b.kept, Place.Compare)
	if len(b.kept) > b.limit {
		b.kept, b.more = b.kept[:b.limit], true
	}
}

// List returns the places in order, and whether there are more behind them.
func (b *Best) List() ([]Place, bool) {
	b.cut()
	return b.kept, b.more
}
