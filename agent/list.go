// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/internal/event"
)

// ring keeps the newest closed connections.
type ring struct {
	limit   int
	records []*connection
	at      int    // oldest, once full
	added   uint64 // ever
}

func (r *ring) len() int { return len(r.records) }

// add returns the oldest record if that had to go, else nil.
func (r *ring) add(conn *connection) (dropped *connection) {
	r.added++
	if len(r.records) < r.limit {
		r.records = append(r.records, conn)
		return nil
	}
	dropped = r.records[r.at]
	r.records[r.at] = conn
	r.at = (r.at + 1) % r.limit
	return dropped
}

// socket is a UDP socket: its flows share the owner.
type socket struct {
	cookie  uint64
	since   event.Time // when the core met it
	owner   event.Process
	netns   uint64
	inside  *event.Container // nil if none is known
	flows   chain.Chain[connection]
	told    bool // the source speaks of it, not only its datagrams do
	woken   bool // its flows that an earlier agent kept alive are there again
	missing bool // the last recount did not find it
}

// newest returns the record that was added so many before the last one.
func (r *ring) newest(back int) *connection {
	return r.records[(r.added-1-uint64(back))%uint64(r.limit)]
}

func (s *socket) add(conn *connection) {
	conn.sock, conn.flow = s, new(chain.Link[connection])
	conn.flow.Join(&s.flows, conn)
}

func (s *socket) remove(conn *connection) {
	conn.flow.Leave()
	conn.sock, conn.flow = nil, nil
}
