// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// What a UA has tried, and what became of it: bookkeeping of the family.

// try is the history of one registration's attempts.
type try struct {
	server   place
	failures int        // in a row
	failed   event.Time // the latest
	told     bool       // the server said how long to wait
	at       event.Time // newest REGISTER
	before   event.Time // the one before
	dialled  event.Time // newest connect that failed
	until    event.Time // a 503 told to wait until then

	broken     event.Time // when the registered flow ended, not by the UA
	brokenCall uint64
}

// proxy is what is known of a server that UAs of this host register with.
type proxy struct {
	key  registration.Key
	many bool // several registrations: a connect cannot be told to be one's
}

func (h *try) fail(t event.Time, told bool) {
	h.failures++
	h.failed, h.told = t, told
}

// tries notes a REGISTER that asks for outbound: bookkeeping of the family.
func tries(x *rule.Scene, r *registration.Request) {
	s := x.Mine.(*state)
	if s.refused.len() > 0 {
		s.refused.drop(r.AOR)
	}
	c := r.Outbound()
	if c == nil || !r.Direct || !supports(r) {
		return
	}
	k := registration.KeyOf(r, c, x.Conn.NetNS)
	h := s.tries.get(k)
	to := placeOf(x.Conn, r.Dir)
	if h.server != to {
		*h = try{server: to, broken: h.broken, brokenCall: h.brokenCall}
	}
	h.before, h.at = h.at, x.Now
	if r.Dir == event.Out {
		p := s.proxies.get(x.Conn.Remote)
		p.many = p.many || p.key != registration.Key{} && p.key != k
		p.key = k
	}
}

// tried notes what became of it.
func tried(x *rule.Scene, r *registration.Request) {
	s := x.Mine.(*state)
	c := r.Outbound()
	if c == nil || !r.Direct || !supports(r) {
		return
	}
	h := s.tries.find(registration.KeyOf(r, c, x.Tx.Conn.NetNS))
	if h == nil {
		return
	}
	switch status := x.Msg.Status; {
	case status/100 == 2:
		h.told = false
		if !requires(x.Msg) {
			h.failures = 0
		}
	case status/100 == 3:
	case status == 401, status == 407, status == 420, status == 421, status == 423, status == 439:
	default:
		wait, told := retryAfterOf(x)
		h.fail(x.Now, told)
		if told {
			h.until = x.Now.Add(wait)
		}
	}
}

// unheard notes a REGISTER that nobody answered.
func unheard(x *rule.Scene) {
	r := x.Tx.Binds
	if r == nil || !r.Direct || !supports(r) {
		return
	}
	if c := r.Outbound(); c != nil {
		if h := x.Mine.(*state).tries.find(registration.KeyOf(r, c, x.Conn.NetNS)); h != nil {
			h.fail(x.Now, false)
		}
	}
}

// answered notes that the UA of a flow got an answer to a keep-alive.
func answered(x *rule.Scene) {
	if !x.Beat.Answered || !answerable(x.Beat.Kind) {
		return
	}
	for _, b := range x.Bindings.Over(x.Conn) {
		if h := x.Mine.(*state).tries.find(b.Key); h != nil && fact.Side(b.Dir) == x.Reader() {
			h.failures = 0
		}
	}
}

// flowEnds notes how registered flows end.
func flowEnds(x *rule.Scene) {
	if !x.Conn.Stream() {
		return
	}
	for _, b := range x.Bindings.Over(x.Conn) {
		h := x.Mine.(*state).tries.find(b.Key)
		if h == nil || !b.Outbound || !b.Alive(x.Now) {
			continue
		}
		if x.Conn.By != fact.Side(b.Dir) && !x.Conn.Exiting {
			h.broken, h.brokenCall = x.Now, b.Call
		}
		switch sent, heard := beats(x.Conn, b.Dir); {
		case !x.Conn.Whole():
		case sent && !heard:
			h.fail(x.Now, false)
		default:
			h.failures = 0
		}
	}
}
