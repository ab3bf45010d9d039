// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Persistent is an offer of draft-jain-sipping-persistent-conn-reqs: a Via
// parameter, the transport token PTCP of version 01, or the option tag.
//
//	offered     nothing is decided
//	countered   a 4xx with Min-Persistence, and no retry that was accepted
//	agreed      a 2xx to a retry, or to Require: persistence
//	honoured    used by a later transaction, or left standing for 64*T1 after it
//	declined    420, or closed by the other side after the transaction
//
// The server echoes the parameter, so a response decides nothing by its Via.
type Persistent struct {
	By    event.Direction // 0 if nobody offered
	Offer Offer           // the newest one that was not yet honoured
	At    event.Time      // of the offer
	// The newest offering request, honoured or not, says until when.
	Newest     event.Time
	HasTimeout bool
	Timeout    uint32
	Ended      event.Time // final response to the offering request

	Min        uint32 // Min-Persistence of a 4xx
	Refused    uint32 // the Persistent-Timeout that was countered, if HasRefused
	HasRefused bool
	Countered  bool // a 4xx came with Min-Persistence
	Declined   bool // a 420 named the option tag in Unsupported
	Confirmed  bool // a 2xx to Require: persistence, or to the request after a counter
	Retry      bool // the offer was turned down in a way that asks for another try

	Later   message.Label // first request that used the connection after Ended
	LaterAt event.Time    // 0 if there was none
}

// Until is when the time is over that the offer names, 0 if it names none:
// then it has no end (section 6.2 of version 03). The draft gives no unit and
// no beginning: seconds, from the request on.
func (p *Persistent) Until() event.Time {
	if p.By == 0 || !p.HasTimeout {
		return 0
	}
	return p.Newest.Add(p.Span())
}

// Span is how long the connection may stay by the newest offer, if that
// HasTimeout.
func (p *Persistent) Span() time.Duration { return time.Duration(p.Timeout) * time.Second }

func (p *Persistent) offered(d event.Direction, t event.Time, o *Offer) {
	if p.By == 0 || p.By == d {
		p.Newest, p.HasTimeout, p.Timeout = t, o.HasTimeout, o.TimeoutSecs
	}
	if p.By != 0 && (p.LaterAt != 0 || p.By != d || !p.Retry) {
		return
	}
	p.By, p.Offer, p.At, p.Ended, p.Retry = d, *o, t, 0, false
}

// used: a challenged or countered request that is tried again belongs to the
// offer, it is not a later use.
func (p *Persistent) used(t event.Time, l message.Label, call uint64) {
	if p.Ended == 0 || p.LaterAt != 0 || p.Retry && call == p.Offer.Call {
		return
	}
	p.Later, p.LaterAt = l, t
}

func (p *Persistent) answered(d event.Direction, t event.Time, o *Offer, m *message.Message) {
	if d != p.By || m.Status < 200 || o.Label != p.Offer.Label || o.Call != p.Offer.Call || p.Ended != 0 {
		return
	}
	p.Ended = t
	switch {
	case m.Status/100 == 2:
		// RFC 3261 section 8.2.2.3: who does not know a required tag says 420.
		p.Confirmed = p.Offer.Required || p.Offer.ProxyReq || p.Countered
	case m.Status/100 == 4 && m.MinPersistence.Valid:
		p.Countered, p.Min, p.Retry = true, m.MinPersistence.N, true
		p.HasRefused, p.Refused = p.Offer.HasTimeout, p.Offer.TimeoutSecs
	case m.Status == 420 && m.Unsupported&message.Persistence != 0:
		p.Declined = true
	case m.Status == 401 || m.Status == 407:
		p.Retry = true
	}
}

// Outcome of a persistent offer.
type Outcome uint8

const (
	OnlyOffered Outcome = iota
	Honoured
	Countered
	Declined
	Accepted
)

var outcomes = [...]string{"offered", "honoured", "countered", "declined", "agreed"}

func (o Outcome) String() string { return outcomes[o] }

// Outcome judges the offer by what happened up to end: the close of the
// connection, or now. declined says that the other side closed first.
func (p *Persistent) Outcome(end event.Time, closedByOther bool) Outcome {
	switch {
	case p.LaterAt != 0:
		return Honoured
	case p.Declined:
		return Declined
	case p.Countered && !p.Confirmed:
		return Countered
	case p.Ended != 0 && !p.Retry && end.Sub(p.Ended) > Linger:
		return Honoured
	case closedByOther && p.Ended != 0:
		return Declined
	case p.Confirmed:
		return Accepted
	}
	return OnlyOffered
}
