// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Linger is how long RFC 3261 section 18 asks to keep a connection after its
// last message: 64*T1. An acceptor that lets a connection stand for longer
// than that after it was offered as persistent honours the offer.
const Linger = 32 * time.Second

// State is what was negotiated on one connection. Only connections on which
// something was offered have one.
type State struct {
	agreements chain.Chain[Agreement] // of keep
	keep       [2]Keep                // shown where there is none
	past       [2]Past
	Alias      Alias
	Persistent Persistent
	Outbound   Outbound
	Resumed    event.Time // when this process took it up from another one, 0 if it saw all of it

	Holder any // the connection, for [Agreements.Changed]
}

func index(d event.Direction) int { return int(d - event.In) }

// Opposite is the other direction.
func Opposite(d event.Direction) event.Direction { return event.In + event.Out - d }

// Offered takes the offer of a new request that went in direction d.
func (s *State) Offered(d event.Direction, t event.Time, o *Offer) {
	if o.KeepBare || o.KeepValued {
		s.keep[index(d)] = Keep{Offered: true, Scope: o.scope(), From: o.Label, call: o.Call}
	}
	if o.Alias {
		s.Alias.offered(d, t, o)
	}
	if o.Outbound && s.Outbound.By == 0 {
		s.Outbound.By, s.Outbound.From = d, o.Label
	}
	if o.Persistent() {
		s.Persistent.offered(d, t, o)
	}
}

// Used takes a new request, which went in direction d, as evidence that the
// connection goes on being used. Call it before Offered.
func (s *State) Used(d event.Direction, t event.Time, l message.Label, call uint64) {
	s.Alias.used(d, l)
	s.Persistent.used(t, l, call)
}

// Offers says whether the sender of direction d itself offered keep-alives: by
// keep on its own Via, or as the user agent of an outbound flow. s may be nil.
func (s *State) Offers(d event.Direction) bool {
	return s != nil && (s.keep[index(d)].Offered || s.KeptEver(d) || s.Outbound.By == d && s.Outbound.Direct)
}

// Answered takes the response m to a request that went in direction d and
// carried the offer o. What it says about keep is for [Agreements.Answered].
func (s *State) Answered(d event.Direction, t event.Time, o *Offer, m *message.Message) {
	s.Outbound.answered(d, t, o, m)
	if o.Persistent() {
		s.Persistent.answered(d, t, o, m)
	}
}
