// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/viaduct-project/viaduct/internal/event"

// list orders connections by when they were last put at its end. A connection
// is in one list at a time.
type list struct {
	oldest, youngest *connection
	n                int
}

// put moves conn to the end of l, out of whatever list it was in.
func (l *list) put(conn *connection) {
	if l.youngest == conn {
		return
	}
	conn.leave()
	conn.in, conn.older = l, l.youngest
	l.n++
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
	l.n--
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
	newest  *flow
	told    bool // the source speaks of it, not only its datagrams do
	woken   bool // its flows that an earlier agent kept alive are there again
	missing bool // the last recount did not find it
}

// newest returns the record that was added so many before the last one.
func (r *ring) newest(back int) *connection {
	return r.records[(r.added-1-uint64(back))%uint64(r.limit)]
}

// flow is the place of a connection among those of its socket.
type flow struct {
	*connection
	older, younger *flow
}

func (s *socket) add(conn *connection) {
	conn.sock, conn.flow = s, &flow{connection: conn, older: s.newest}
	if s.newest != nil {
		s.newest.younger = conn.flow
	}
	s.newest = conn.flow
}

func (s *socket) remove(conn *connection) {
	f := conn.flow
	if f.younger != nil {
		f.younger.older = f.older
	} else {
		s.newest = f.older
	}
	if f.older != nil {
		f.older.younger = f.younger
	}
	conn.sock, conn.flow = nil, nil
}
