// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Alias is RFC 5923. No message confirms it (section 8.1), and responses repeat
// the parameter of their request, so there are three states:
//
//	offered   a request had alias on its topmost Via
//	used      a new request came back to the side that offered
//	not used  the other side opened a connection of its own instead
//
// Over anything but TLS the parameter has no meaning, whatever the state.
type Alias struct {
	By       event.Direction // of the requests that offer; 0 if none
	At       event.Time      // of the first one
	From     message.Label
	Port     uint16 // that the offer's sent-by names, 0 if none; with the source address it is what the alias is good for
	Used     bool
	Back     message.Label
	Reversed bool // the other side opened a connection of its own after the offer
}

func (a *Alias) offered(d event.Direction, t event.Time, o *Offer) {
	if a.By == 0 {
		a.By, a.At, a.From, a.Port = d, t, o.Label, o.Port
	}
}

func (a *Alias) used(d event.Direction, l message.Label) {
	if a.By == Opposite(d) && !a.Used {
		a.Used, a.Back = true, l
	}
}

// Outcome names the state; it is for aliases that were offered.
func (a *Alias) Outcome() string {
	switch {
	case a.Used:
		return "used"
	case a.Reversed:
		return "not-used"
	}
	return "offered"
}
