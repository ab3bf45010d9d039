// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"github.com/viaduct-project/viaduct/agent/dialog"
	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// dialogNote is about a dialog that was formed by a request with ob in its
// Contact, over a flow whose server does outbound.
type dialogNote struct {
	flow *fact.Conn
	by   event.Direction
}

var dialogFlow = rule.Rule{
	ID:       "OB-14",
	Source:   "RFC 5626 sections 2.1, 4.3 and 5.3.2",
	Severity: rule.Info,
	Fault:    "next hop",
	Asks:     "Requests of a dialog whose first one had ob in its Contact come to the UA over the flow of that one.",
	Broken:   "A request of a dialog came over another connection than the UA asked for by ob",
	Silent:   "Servers that do not do outbound: the UA has no registration with Require: outbound on that flow. Flows that have ended. Dialogs formed before the observation began.",
	Check: rule.Check{
		Only: rule.New,
		Response: func(x *rule.Scene) {
			if x.Verdict != transaction.Final || !ok2xx(x) || !x.Tx.Offer.ContactOB || x.Tx.Conn.Neg == nil {
				return
			}
			if o := &x.Tx.Conn.Neg.Outbound; !o.Agreed || o.By != x.Tx.Dir {
				return
			}
			d := dialogOf(x, x.Tx.Dir)
			if d == nil || note.Of[dialogNote](d.Notes, note.Outbound) != nil {
				return
			}
			*note.On[dialogNote](&d.Notes, note.Outbound) = dialogNote{x.Tx.Conn, x.Tx.Dir}
			x.Mine.(*state).dialogs++
		},
		Request: func(x *rule.Scene) {
			if x.Mine.(*state).dialogs == 0 || len(x.Msg.ToTag) == 0 || x.Msg.Method == sipparse.MethodAck || x.Verdict != transaction.Fresh {
				return
			}
			d := dialogOf(x, x.Dir)
			if d == nil {
				return
			}
			n := note.Of[dialogNote](d.Notes, note.Outbound)
			if n != nil && n.by != x.Dir && open(n.flow) && !registration.Same(n.flow, x.Conn) {
				x.Raise(x.Writer(), "%s, the dialog asked for the flow from %s", x.Msg.Label(), client(n.flow, n.by))
			}
		},
		DialogOff: func(x *rule.Scene) {
			if note.Of[dialogNote](x.Dialog.Notes, note.Outbound) != nil {
				x.Mine.(*state).dialogs--
			}
		},
	},
}

// dialogOf is the dialog of the message, whose request went in direction d;
// nil if none has begun.
func dialogOf(x *rule.Scene, d event.Direction) *dialog.Dialog {
	local, remote := x.Msg.FromTag, x.Msg.ToTag
	if d == event.In {
		local, remote = remote, local
	}
	id, ok := dialog.Of(x.Msg.CallID, local, remote)
	if !ok {
		return nil
	}
	return x.Dialogs.Find(id)
}
