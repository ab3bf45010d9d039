// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/viaduct-project/viaduct/internal/event"

// list orders connections by when they were last put at its end. A connection
// is in one list at a time.
type list struct{ oldest, youngest *connection }

// put moves conn to the end of l, out of whatever list it was in.
func (l *list) put(conn *connection) {
	if l.youngest == conn {
		return
	}
	conn.leave()
	conn.in, conn.older = l, l.youngest
	if l.youngest != nil {
		l.youngest.younger = conn
	} else {
		l.oldest = conn
	}
	l.youngest = conn
}

// leave takes conn out of the list it is in.
func (conn *connection) leave() {
	l := conn.in
	if l == nil {
		return
	}
	if conn.older != nil {
		conn.older.younger = conn.younger
	} else {
		l.oldest = conn.younger
	}
	if conn.younger != nil {
		conn.younger.older = conn.older
	} else {
		l.youngest = conn.older
	}
	conn.in, conn.older, conn.younger = nil, nil, nil
}

// ring keeps the newest closed connections.
type ring struct {
	limit   int
	records []*connection
	at      int // oldest, once full
}

func (r *ring) len() int { return len(r.records) }

// add returns whether the oldest record had to go.
func (r *ring) add(conn *connection) (dropped bool) {
	if len(r.records) < r.limit {
		r.records = append(r.records, conn)
		return false
	}
	r.records[r.at] = conn
	r.at = (r.at + 1) % r.limit
	return true
}

// socket is a UDP socket: its flows share the owner.
type socket struct {
	cookie  uint64
	since   event.Time // when the core met it
	owner   event.Process
	netns   uint64
	inside  *event.Container // nil if none is known
	newest  *connection      // flows
	told    bool             // the source speaks of it, not only its datagrams do
	missing bool             // the last recount did not find it
}

func (s *socket) add(conn *connection) {
	conn.sock, conn.sockOlder, conn.sockYoung = s, s.newest, nil
	if s.newest != nil {
		s.newest.sockYoung = conn
	}
	s.newest = conn
}

func (s *socket) remove(conn *connection) {
	if conn.sockYoung != nil {
		conn.sockYoung.sockOlder = conn.sockOlder
	} else {
		s.newest = conn.sockOlder
	}
	if conn.sockOlder != nil {
		conn.sockOlder.sockYoung = conn.sockYoung
	}
	conn.sock, conn.sockOlder, conn.sockYoung = nil, nil, nil
}
