// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

const (
	maxRecent = 4096   // of each generation
	maxAgreed = 10_000 // neighbours
)

// elsewhere is the family's state: what other flows of this host did.
type elsewhere struct {
	young, old map[asked]request // by generation: the older one is dropped as a whole
	agreed     map[netip.AddrPort]*fact.Conn
	Evicted    uint64
}

type asked struct {
	id [12]byte
	d  event.Direction
}

type request struct {
	conn *fact.Conn
	at   event.Time
}

func newElsewhere() any {
	return &elsewhere{young: map[asked]request{}, old: map[asked]request{}, agreed: map[netip.AddrPort]*fact.Conn{}}
}

// note remembers a request and returns the one of another flow that had its
// id, if that was during a transaction's life.
func (e *elsewhere) note(x *rule.Scene, id [12]byte) (other *fact.Conn) {
	k := asked{id, x.Dir}
	other = e.find(x, k)
	if len(e.young) >= maxRecent {
		e.old, e.young = e.young, e.old
		e.Evicted += uint64(len(e.young))
		clear(e.young)
	}
	e.young[k] = request{x.Conn, x.Now}
	return other
}

// find returns another flow than x's on which the request went.
func (e *elsewhere) find(x *rule.Scene, k asked) *fact.Conn {
	r, known := e.young[k]
	if !known {
		r, known = e.old[k]
	}
	if !known || r.conn == x.Conn || x.Now.Sub(r.at) > life {
		return nil
	}
	return r.conn
}

// agreed notes the flows on which this host may send STUN.
func agreed(x *rule.Scene) {
	if x.Conn.Neg == nil || x.Conn.Stream() || x.Dir != event.In || x.Msg.Method != sipparse.MethodRegister {
		return
	}
	if b := x.Conn.Neg.Beats(event.Out, x.Now); !b.Agreed() {
		return
	}
	e := x.Mine.(*elsewhere)
	if len(e.agreed) >= maxAgreed {
		e.Evicted += uint64(len(e.agreed))
		clear(e.agreed)
	}
	e.agreed[x.Conn.Remote] = x.Conn
}

func forget(x *rule.Scene) {
	if e := x.Mine.(*elsewhere); e.agreed[x.Conn.Remote] == x.Conn {
		delete(e.agreed, x.Conn.Remote)
	}
}
