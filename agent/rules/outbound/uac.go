// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"bytes"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/registration"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// What a UA that does outbound says in its other requests, and where it sends
// them.

// endpoint says whether x is a new request, outside dialogs, by the UA that
// registered with outbound on this flow.
func endpoint(x *rule.Scene) bool {
	if x.Verdict != transaction.Fresh || x.Msg.Vias != 1 || len(x.Msg.ToTag) > 0 {
		return false
	}
	for _, b := range x.Bindings.Over(x.Conn) {
		if b.Outbound && b.Direct && b.Dir == x.Dir && b.Alive(x.Now) {
			return true
		}
	}
	return false
}

var usesFlow = rule.Rule{
	ID:       "OB-31",
	Source:   "RFC 5626 section 4.3",
	Severity: rule.Violation,
	Fault:    "UAC doing outbound",
	Asks:     "A UA sends its other requests over the flow that it has to the same address, port and transport.",
	Broken:   "A UA opened another connection for a request though its registered flow leads there",
	Silent:   "UAs elsewhere: a flow that seems open here may have failed there. TLS, where the names in the certificate decide. Other processes, and captures, which name none; other users, and flows on which a keep-alive had no answer.",
	Check: rule.Check{Only: rule.New | rule.Outgoing | rule.Beginning | rule.Bound, Request: func(x *rule.Scene) {
		if x.Dir != event.Out || x.Conn.Sent.N != 1 || x.Bindings.Len() == 0 || x.Verdict != transaction.Fresh ||
			x.Msg.Vias != 1 || x.Msg.Method == sipparse.MethodRegister || x.Conn.Transport == event.TLS ||
			x.Conn.Owner.PID == 0 || x.Conn.Initiator != event.Local {
			return
		}
		for _, b := range x.Bindings.Of(sender(x.Msg)) {
			if b.Dir != event.Out || !b.Direct || !b.Outbound || !b.Alive(x.Now) || !b.FlowOpen() || b.Over(x.Conn) || b.Made >= x.Conn.First {
				continue
			}
			c := b.Conn
			if c.Remote == x.Conn.Remote && c.Transport == x.Conn.Transport && c.Owner.PID == x.Conn.Owner.PID && c.NetNS == x.Conn.NetNS && !unanswered(c, x.Now) {
				x.Raise(event.Local, "%s from %s; reg-id %d is registered from %s", x.Msg.Label(), x.Conn.Local, b.RegID, c.Local)
				return
			}
		}
	}},
}

// sender is the user in From.
func sender(m *message.Message) uint64 {
	var a sipparse.Address
	if !nth(m, sipparse.HeaderFrom, 0, &a) {
		return 0
	}
	return registration.AOROf(&a.URIParts)
}

var saysSupport = rule.Rule{
	ID:       "OB-32",
	Source:   "RFC 5626 section 4.3",
	Severity: rule.Advice,
	Fault:    "UAC doing outbound",
	Asks:     "A UA that does outbound lists outbound in Supported of its other requests too.",
	Broken:   "A UA with an outbound registration leaves outbound out of Supported",
	Silent:   "Requests within dialogs, and those that came through a proxy.",
	Scope:    rule.PerPeer,
	Check: rule.Check{Only: rule.New | rule.Negotiated | rule.Bound, Request: func(x *rule.Scene) {
		if x.Conn.Neg == nil || !x.Conn.Neg.Outbound.Agreed || x.Msg.Supported&message.Outbound != 0 {
			return
		}
		switch x.Msg.Method {
		case sipparse.MethodInvite, sipparse.MethodSubscribe, sipparse.MethodRefer, sipparse.MethodMessage,
			sipparse.MethodOptions, sipparse.MethodPublish:
			if endpoint(x) {
				x.Raise(x.Writer(), "%s: %s", x.Msg.Label(), field(x.Msg, sipparse.HeaderSupported, 0))
			}
		}
	}},
}

var asksForFlow = rule.Rule{
	ID:       "OB-33",
	Source:   "RFC 5626 section 4.3",
	Severity: rule.Info,
	Fault:    "UAC doing outbound",
	Asks:     "A request that forms a dialog has ob or a GRUU in its Contact, if the dialog is to stay on the flow.",
	Broken:   "A UA with an outbound registration does not ask for its dialogs to stay on the flow",
	Silent:   "Requests that came through a proxy.",
	Scope:    rule.PerPeer,
	Check: rule.Check{Only: rule.New | rule.Negotiated | rule.Bound, Request: func(x *rule.Scene) {
		if x.Conn.Neg == nil || !x.Conn.Neg.Outbound.Agreed || x.Msg.Contact.OB || x.Msg.Contacts == 0 || !forming(x.Msg) {
			return
		}
		if endpoint(x) && !gruu(x.Msg) {
			x.Raise(x.Writer(), "%s: %s", x.Msg.Label(), contact(x.Msg, 0))
		}
	}},
}

// gruu says whether the Contact is a GRUU (RFC 5627).
func gruu(m *message.Message) bool {
	var a sipparse.Address
	if !nth(m, sipparse.HeaderContact, 0, &a) {
		return false
	}
	params := sipparse.Params(a.URIParams)
	for p := (sipparse.Param{}); params.Next(&p); {
		if bytes.EqualFold(p.Name, []byte("gr")) {
			return true
		}
	}
	return false
}

var throughNAT = rule.Rule{
	ID:       "OB-34",
	Source:   "RFC 5626 section 4.3, RFC 3581",
	Severity: rule.Info,
	Fault:    "UAC",
	Asks:     "A UA on UDP puts rport into its Via and sends from the port that it listens on, or its flow does not work through a NAT.",
	Broken:   "A UA asks for outbound on UDP without rport, or sends from another port than it names",
	Silent:   "Which port a UA elsewhere sends from: a NAT may have changed it.",
	Check: rule.Check{Only: rule.New | rule.Register | rule.Datagram, Request: func(x *rule.Scene) {
		if x.Conn.Transport != event.UDP {
			return
		}
		r := asks(x)
		if r == nil || !r.Direct || r.Outbound() == nil {
			return
		}
		from := x.Conn.Local.Port()
		via := &x.Msg.Via
		named := via.Port
		if !via.HasPort {
			named = 5060
		}
		switch {
		case !via.RPort.Present:
			x.Raise(fact.Side(r.Dir), "Via: %s", via.Raw)
		case r.Dir == event.Out && named != from:
			x.Raise(event.Local, "Via: %s, sent from port %d", via.Raw, from)
		}
	}},
}
