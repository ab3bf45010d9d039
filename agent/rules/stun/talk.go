// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// life of a transaction with the default timers, RFC 8489 section 6.2.1.
	life = keepalive.StunWait
	// again is how long after a copy the next one is a retransmission: the
	// longest interval is 16 s. Later the same id serves a new keep-alive.
	again = 20 * time.Second
	// held is how many transactions of one end of a flow are known.
	held = 16
)

// tx is one Binding transaction.
type tx struct {
	id          [12]byte
	hash        uint64
	first, last event.Time // copies of the request
	before, gap time.Duration
	sends       int
	answers     int
	answered    event.Time // 0 if it was not
	due         int        // copies that came after the first answer and got none of their own
	login       bool       // with credentials
	whole       bool       // a valid request
	reused      bool       // the id served an earlier request
	judged      bool       // by STUN-03
	gone        bool       // the client has registered since
	flows       uint64     // Peer.Opened at the first copy
}

// asker is one end of a flow as STUN client.
type asker struct {
	txs     []tx
	dropped event.Time // when there was no room for one

	mapped  netip.AddrPort // of the newest answer
	older   netip.AddrPort // before that
	moved   event.Time     // when it changed, 0 once the client registered
	sure    bool           // the change was seen twice
	flaps   bool           // it went back and forth
	flows   uint64         // Peer.Opened when it changed
	refused event.Time     // newest error response, 0 after a success
	code    int

	watched bool // a timer of STUN-03 runs
	waits   bool // a timer of STUN-17 runs
	early   bool // a timer of STUN-02 runs
	missed  int  // retransmissions without an answer
	stray   int  // requests on a flow without SIP
}

// talk is the note on a flow, and what was just seen on it.
type talk struct {
	ends  [2]asker
	msg   keepalive.Binding
	at    *tx        // that msg belongs to, nil if not known
	diff  bool       // msg has the id of another request and other bytes
	other *fact.Conn // another flow on which a request had the id of msg, which is one
}

func index(d event.Direction) int { return int(d - event.In) }

func opposite(d event.Direction) event.Direction { return event.In + event.Out - d }

// seen returns the note if x shows a STUN message of a kind on a UDP flow that
// carries SIP; nil otherwise.
func seen(x *rule.Scene, kinds ...keepalive.Kind) *talk {
	for _, k := range kinds {
		if x.Beat.Kind == k && !x.Conn.Stream() && x.Conn.LastMessage() != 0 {
			return note.Of[talk](x.Conn.Notes, note.STUN)
		}
	}
	return nil
}

// askerOf is the client of what x shows: the writer of a request, the reader of
// a response.
func (n *talk) askerOf(x *rule.Scene) *asker {
	if x.Beat.Kind == keepalive.StunResponse {
		return &n.ends[1-index(x.Dir)]
	}
	return &n.ends[index(x.Dir)]
}

var watch = rule.Check{Only: rule.Negotiated | rule.Datagram | rule.Register, Beat: beat, Response: agreed, Closed: forget}

var seed = maphash.MakeSeed()

func beat(x *rule.Scene) {
	switch x.Beat.Kind {
	case keepalive.StunRequest, keepalive.StunResponse, keepalive.StunOther:
	default:
		return
	}
	if x.Conn.Stream() {
		return
	}
	n := note.On[talk](&x.Conn.Notes, note.STUN)
	n.msg, n.at, n.diff, n.other = keepalive.ReadBinding(x.Beat.Raw), nil, false, nil
	a := n.askerOf(x)
	switch x.Beat.Kind {
	case keepalive.StunRequest:
		n.request(x, a)
		n.other = x.Mine.(*elsewhere).note(x, n.msg.ID)
	case keepalive.StunResponse:
		n.response(x, a)
	}
}

func (n *talk) request(x *rule.Scene, a *asker) {
	hash := maphash.Bytes(seed, x.Beat.Raw)
	t := a.find(n.msg.ID)
	switch {
	case t == nil:
		t = a.add(x.Now)
		*t = tx{id: n.msg.ID}
	case t.hash != hash:
		n.diff = true
		*t = tx{id: n.msg.ID}
	case x.Now.Sub(t.last) > again:
		*t = tx{id: n.msg.ID, reused: true}
	default:
		t.before, t.gap = t.gap, x.Now.Sub(t.last)
		if t.answers > 0 {
			t.due++
		}
	}
	if t.sends == 0 {
		t.first, t.flows = x.Now, opened(x.Conn)
	}
	t.hash, t.last, t.login, t.whole = hash, x.Now, n.msg.Login, n.msg.Whole
	t.sends++
	n.at = t
}

func (n *talk) response(x *rule.Scene, a *asker) {
	t := a.find(n.msg.ID)
	if t == nil {
		return
	}
	n.at = t
	if t.answers == 0 {
		t.answered = x.Now
	}
	t.answers++
	if t.due > 0 {
		t.due--
	}
	if n.msg.Error() {
		a.refused, a.code = x.Now, n.msg.Code
		return
	}
	a.refused = 0
	if n.msg.Mapped.IsValid() {
		a.mappedTo(n.msg.Mapped, x)
	}
}

// mappedTo takes the address that the server saw.
func (a *asker) mappedTo(m netip.AddrPort, x *rule.Scene) {
	switch {
	case m == a.mapped:
		a.sure = a.moved != 0
		return
	case a.mapped.IsValid():
		a.flaps = a.flaps || m == a.older
		a.moved, a.sure = x.Now, false
		a.flows = opened(x.Conn)
	}
	a.older, a.mapped = a.mapped, m
}

// opened counts the connections with c's peer, to see new ones.
func opened(c *fact.Conn) uint64 {
	if c.Peer == nil {
		return 0
	}
	return c.Peer.Opened
}

func (a *asker) find(id [12]byte) *tx {
	for i := range a.txs {
		if a.txs[i].id == id {
			return &a.txs[i]
		}
	}
	return nil
}

// add makes room for one more: of one that is over, while there is any.
func (a *asker) add(now event.Time) *tx {
	oldest := 0
	for i := range a.txs {
		if a.txs[i].last < a.txs[oldest].last {
			oldest = i
		}
	}
	if len(a.txs) > 1 && now.Sub(a.txs[oldest].last) > 2*life || len(a.txs) == held {
		if now.Sub(a.txs[oldest].last) <= life {
			a.dropped = now
		}
		return &a.txs[oldest]
	}
	a.txs = append(a.txs, tx{})
	return &a.txs[len(a.txs)-1]
}

// newest is the transaction begun last, but for not; nil if there is none.
func (a *asker) newest(not *tx) (t *tx) {
	for i := range a.txs {
		if c := &a.txs[i]; c != not && (t == nil || c.first > t.first) {
			t = c
		}
	}
	return t
}
