// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/rules/internal/cadence"
	"github.com/viaduct-project/viaduct/internal/event"
)

// reply is how soon an answer that somebody's program gives at once is there.
const reply = time.Second

// talk is what one end of a stream did with CRLFs. A million connections may
// have one: what hardly any of them needs is behind a pointer.
type talk struct {
	ping    event.Time // newest
	before  event.Time // the ping before the newest
	pong    event.Time // newest that answers
	odd     *odd
	chain   int32 // pings in a row of which each came at once after one of the other end
	watched bool  // a timer waits for the pong
}

// odd is what an end does that answers wrongly, or is not answered.
type odd struct {
	judged   event.Time     // newest missed ping that this end was judged by
	owed     event.Time     // newest missed ping that the other end was judged by
	proof    event.Time     // missed ping that the other end may not have got
	echoes   int            // of the other end's pings
	uneven   keepalive.Pace // their intervals
	echoed   event.Time     // the newest of them
	stray    event.Time     // newest single CRLF that answers no ping
	surplus  int            // single CRLFs after a pong
	answers  int            // single CRLFs that answer single ones, with no message between
	answered event.Time     // newest of these
}

var nothingOdd odd

// read returns what the end did that is odd, not to be changed.
func (w *talk) read() *odd {
	if w.odd == nil {
		return &nothingOdd
	}
	return w.odd
}

// write makes room for it.
func (w *talk) write() *odd {
	if w.odd == nil {
		w.odd = new(odd)
	}
	return w.odd
}

type talks [2]talk

func index(d event.Direction) int { return int(d - event.In) }

// talkOf returns what the end that x looks at did, and what the other one did.
func talkOf(x *rule.Scene) (writer, other *talk) {
	n := note.On[talks](&x.Conn.Notes, note.CRLF)
	return &n[index(x.Dir)], &n[1-index(x.Dir)]
}

// known is talkOf if there were any pings or single CRLFs, else nil.
func known(x *rule.Scene) (writer, other *talk) {
	n := note.Of[talks](x.Conn.Notes, note.CRLF)
	if n == nil {
		return nil, nil
	}
	return &n[index(x.Dir)], &n[1-index(x.Dir)]
}

var watch = rule.Check{Only: rule.Negotiated, Beat: beat, Request: cadence.Watch.Request, Response: cadence.Watch.Response}

func beat(x *rule.Scene) {
	cadence.Watch.Beat(x)
	if !x.Conn.Stream() {
		return
	}
	w, other := talkOf(x)
	switch x.Beat.Kind {
	case keepalive.Ping:
		if other.ping != 0 && x.Now.Sub(other.ping) <= reply && other.ping > w.pong {
			w.chain = other.chain + 1
			w.write().echo(other.ping, x.Conn.LastMessage())
		} else {
			w.chain = 0
		}
		w.before, w.ping = w.ping, x.Now
	case keepalive.Pong:
		w.pong = x.Now
	}
}

// echo notes that the other end's ping of time t came back.
func (o *odd) echo(t, message event.Time) {
	if o.echoes > 0 && message < o.echoed {
		o.uneven.Add(t.Sub(o.echoed))
	} else {
		o.uneven, o.echoes = keepalive.Pace{}, 0
	}
	o.echoes++
	o.echoed = t
}
