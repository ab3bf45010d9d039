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

// talk is what one end of a stream did with CRLFs.
type talk struct {
	ping     event.Time // newest
	pong     event.Time // newest that answers
	stray    event.Time // newest single CRLF that answers no ping
	before   event.Time // the ping before the newest
	chain    int        // pings in a row of which each came at once after one of the other end
	echoes   int        // of the other end's pings, see echoed
	uneven   keepalive.Pace
	echoed   event.Time // the other end's ping that was echoed last
	surplus  int        // single CRLFs after a pong
	answers  int        // single CRLFs that answer single ones, with no message between
	answered event.Time // newest of these
	watched  bool       // a timer waits for the pong
	judged   event.Time // newest missed ping that was judged
	owed     event.Time // newest missed ping that the other end was asked for
	proof    event.Time // missed ping that the other end may not have got
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

var watch = rule.Check{Beat: beat, Request: cadence.Watch.Request, Response: cadence.Watch.Response}

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
			w.echo(other.ping, x.Conn.LastMessage())
		} else {
			w.chain = 0
		}
		w.before, w.ping = w.ping, x.Now
	case keepalive.Pong:
		w.pong = x.Now
	}
}

// echo notes that the other end's ping of time t came back.
func (w *talk) echo(t, message event.Time) {
	if w.echoes > 0 && message < w.echoed {
		w.uneven.Add(t.Sub(w.echoed))
	} else {
		w.uneven, w.echoes = keepalive.Pace{}, 0
	}
	w.echoes++
	w.echoed = t
}
