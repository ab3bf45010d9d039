// SPDX-License-Identifier: Apache-2.0

// Package peer adds up per remote address what its connections did: how many
// were opened, whether requests reused them, how long the peer leaves one
// idle, and whether there is a connection in each direction where one would
// do.
package peer

import (
	"net/netip"
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/chain"
)

// Peer is one remote address.
type Peer struct {
	Address   netip.Addr
	Opened    uint64
	Reused    uint64 // connections that carried more than one new request
	Failures  uint64 // connects that failed
	Requests  uint64 // new ones
	Again     uint64 // new requests that were not the first of their connection
	Carriers  uint64 // connections that carried a request
	Handshake time.Duration
	Pairs     uint64 // duplicate pairs that came up
	idle      idleTimes
	ours      idleTimes // this host's, towards the peer
	Churn     Churn
	Beats     *Beats // nil if it sent no two keep-alives on one connection
	Answers   bool   // it has answered a keep-alive
	served    map[server]struct{}

	Live   int // connections that refer to the peer
	unused chain.Link[Peer]
}

// Table holds at most Limit peers; beyond that the one that has no connection
// and is known for longest is dropped.
type Table struct {
	Limit   int
	Evicted uint64

	byAddr map[netip.Addr]*Peer
	unused chain.Chain[Peer] // without a live connection, by the time they lost it
	pairs  map[Neighbours]ends
}

// NewTable returns an empty table.
func NewTable(limit int) *Table {
	return &Table{Limit: limit, byAddr: make(map[netip.Addr]*Peer), pairs: make(map[Neighbours]ends)}
}

// Len is the number of peers, Pairs that of the neighbours watched for
// duplicate connections.
func (tb *Table) Len() int   { return len(tb.byAddr) }
func (tb *Table) Pairs() int { return len(tb.pairs) }

// Get returns the peer of one more live connection. The caller gives it back
// with Release.
func (tb *Table) Get(addr netip.Addr) *Peer {
	p := tb.byAddr[addr]
	if p == nil {
		if oldest := tb.unused.First(); len(tb.byAddr) >= tb.Limit && oldest != nil {
			tb.Evicted++
			delete(tb.byAddr, oldest.Address)
			oldest.unused.Leave()
		}
		p = &Peer{Address: addr}
		tb.byAddr[addr] = p
	} else {
		p.unused.Leave()
	}
	p.Live++
	return p
}

// Release says that a connection of p is gone.
func (tb *Table) Release(p *Peer) {
	p.Live--
	if p.Live == 0 {
		p.unused.Join(&tb.unused, p)
	}
}

// Unsorted returns the peers in any order.
func (tb *Table) Unsorted() []*Peer {
	all := make([]*Peer, 0, len(tb.byAddr))
	for _, p := range tb.byAddr {
		all = append(all, p)
	}
	return all
}

// All returns the peers by address.
func (tb *Table) All() []*Peer {
	all := tb.Unsorted()
	slices.SortFunc(all, func(a, b *Peer) int { return a.Address.Compare(b.Address) })
	return all
}
