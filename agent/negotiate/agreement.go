// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/agent/internal/chain"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Agreement is one negotiation of RFC 6223 that succeeded: who sends requests
// in direction By owes its neighbour keep-alives in that direction, for the
// time of one registration or one dialog. Each direction is negotiated by
// itself (section 4.1), each hop too: only the topmost Via speaks.
//
//	state      what happens                                     next
//	--------------------------------------------------------------------------
//	none       response with keep=N to a bare keep, same hop:
//	             2xx to REGISTER                                stands, registration
//	             1xx (not 100) to an INVITE that forms a dialog early, that To tag
//	             2xx, or 1xx within the dialog, to INVITE,
//	             UPDATE, SUBSCRIBE, REFER, NOTIFY               stands, dialog
//	none       anything else: no keep or keep=N in the request,
//	             bare keep or none in the response (an echo)    none
//	early      2xx with that To tag                             stands
//	           2xx with another To tag (fork)                   early for 64*T1, then over
//	           final response that is no 2xx                    over: refused
//	stands     REGISTER of the registration is sent             renewing
//	(registr.) Until has passed                                 over: expired
//	           its connection is gone                           over: gone
//	renewing   2xx with keep=N to a bare keep                   stands, with the new N
//	           2xx without                                      over: not renewed
//	           2xx to a REGISTER that removes the contact       over: unregistered
//	           any other response (401, 503 ...)                renewing
//	stands     keep offered or answered again                   stands, N unchanged
//	(dialog)   request of the dialog and direction to the same
//	             neighbour on another connection                stands, on that one
//	           such a request to another neighbour              stands, Elsewhere
//	           BYE on whatever connection, 408 or 481 within
//	             the dialog, NOTIFY that terminates             over: ended
//	           Until of a subscription has passed               over: expired
//	           its connection is gone                           stands, on none, for orphanage
//
// While a registration is being renewed, and while the requests of a dialog go
// elsewhere, nobody can say what is owed: Owes leaves such agreements out.
type Agreement struct {
	By        event.Direction // of the request that offered, and of the keep-alives
	Scope     Scope
	Seconds   uint32            // 0 recommends no frequency
	FlowTimer sipparse.NumParam // of the same response, RFC 5626
	From      message.Label     // request that offered
	First     event.Time        // when it was first agreed
	Since     event.Time        // when it was last agreed: a registration's renewal
	Moved     event.Time        // when it came to its connection from another one, 0 if it did not
	Until     event.Time        // when it runs out by itself, 0 if only a message ends it
	Renewing  event.Time        // since when a REGISTER for it has no 2xx, 0 if none is under way
	Elsewhere bool              // the dialog's requests go to another neighbour
	Stranded  bool              // its connection had gone when it moved
	Uses      uint32            // requests of the dialog, by the same side, since Moved
	Kept      event.Time        // newest keep-alive on the present connection, 0 if there was none
	Before    event.Time        // the one before that
	Resumed   event.Time        // when this process took it up from another one, 0 if it saw it made

	key   uint64 // of the registration or dialog
	to    Neighbour
	tx    uint64 // that made it
	early uint64 // INVITE's transaction, while no 2xx confirmed the dialog
	state *State // of its connection, nil if that is gone
	same  *Agreement
	here  chain.Link[Agreement] // on the connection
	age   chain.Link[Agreement] // among those held, or those of no connection
}

// Neighbour is where the requests of one direction go, as far as it is the same
// for all connections to it: a server's port, not a client's.
type Neighbour struct {
	NetNS uint64
	Addr  netip.Addr // of the remote side
	Port  uint16     // that is known by both sides, 0 if none is
	Ours  bool       // Port is the local one
}

// Stands says whether the agreement has not run out at t.
func (a *Agreement) Stands(t event.Time) bool { return a.Until == 0 || a.Until > t }

// Early says that the dialog may come to nothing yet.
func (a *Agreement) Early() bool { return a.early != 0 }

// Began is from when keep-alives are owed on the present connection and would
// be seen.
func (a *Agreement) Began() event.Time { return max(a.Since, a.Moved, a.Resumed) }

// tighter says whether a asks for more frequent keep-alives than b.
func (a *Agreement) tighter(b *Agreement) bool {
	switch {
	case a.Seconds == b.Seconds:
		return a.Since < b.Since
	case a.Seconds == 0 || b.Seconds == 0:
		return b.Seconds == 0
	}
	return a.Seconds < b.Seconds
}

func (a *Agreement) keep() Keep {
	return Keep{Offered: true, Answer: Agreed, Scope: a.Scope, Seconds: a.Seconds, Until: a.Until, From: a.From}
}

// Why is how an agreement ended.
type Why uint8

const (
	NotRenewed   Why = iota + 1 // refreshed without an offer, or without a value in the answer
	Unregistered                // the contact was removed
	Expired                     // nobody refreshed it
	Ended                       // the dialog is over
	NotAccepted                 // the dialog did not come to be
	Left                        // the dialog's requests use another connection
	Gone                        // the connection is closed
)

// Past is how an agreement ended, or left a connection.
type Past struct {
	Why Why // 0: there was none
	At  event.Time
	*Agreement
}
