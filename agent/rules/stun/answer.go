// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var mappedAddress = rule.Rule{
	ID:       "STUN-04",
	Source:   "RFC 5626 section 8, RFC 8489 sections 6.3.1.1, 14.2",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A Binding success response says in XOR-MAPPED-ADDRESS where the request came from.",
	Broken:   "A Binding success response has no XOR-MAPPED-ADDRESS, or a wrong one",
	Silent: "The value in responses of the peer: behind a NAT it differs from what this host knows of itself. Flows " +
		"that carry no SIP, and responses to requests that were not seen.",
	Check: rule.Check{Beat: says},
}

func says(x *rule.Scene) {
	n := seen(x, keepalive.StunResponse)
	if n == nil || !n.msg.Success() || !n.msg.Whole || n.at == nil {
		return
	}
	switch {
	case !n.msg.XORMapped && n.msg.Plain:
		x.Raise(x.Writer(), "MAPPED-ADDRESS only")
	case !n.msg.XORMapped:
		x.Raise(x.Writer(), "no XOR-MAPPED-ADDRESS")
	case !n.msg.Mapped.IsValid():
		x.Raise(x.Writer(), "XOR-MAPPED-ADDRESS cannot be read")
	case x.Dir == event.Out && !x.Conn.Sideless && n.msg.Mapped != x.Conn.Remote:
		x.Raise(x.Writer(), "XOR-MAPPED-ADDRESS: %v, the request came from %v", n.msg.Mapped, x.Conn.Remote)
	}
}

var fromElsewhere = rule.Rule{
	ID:       "STUN-12",
	Source:   "RFC 5626 section 8, RFC 8489 section 6.3.1.2",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A Binding response leaves from the address and port that the request was sent to.",
	Broken:   "A Binding response comes from another address or port than the request went to",
	Silent:   "Requests on flows that carry no SIP, and those that are older than a transaction lives.",
	Check:    rule.Check{Beat: fromWhere},
}

// askedFrom returns the other flow on which the request of the response that x
// shows went, or nil.
func askedFrom(x *rule.Scene, id [12]byte) (local, remote string) {
	c := x.Mine.(*elsewhere).find(x, asked{id, opposite(x.Dir)})
	if c == nil || c.LastMessage() == 0 {
		return "", ""
	}
	if x.Dir == event.Out && c.Remote == x.Conn.Remote || x.Dir == event.In && c.Local == x.Conn.Local {
		return c.Local.String(), c.Remote.String()
	}
	return "", ""
}

func fromWhere(x *rule.Scene) {
	n := unmatched(x)
	if n == nil {
		return
	}
	if local, remote := askedFrom(x, n.msg.ID); local != "" {
		x.Raise(x.Writer(), "request between %s and %s, answer between %v and %v", local, remote, x.Conn.Local, x.Conn.Remote)
	}
}

// unmatched returns the note if x shows a response whose request is not known
// on its flow.
func unmatched(x *rule.Scene) *talk {
	if x.Beat.Kind != keepalive.StunResponse || x.Beat.Answered || x.Conn.Stream() {
		return nil
	}
	if n := noteOf(x.Conn); n != nil && n.at == nil {
		return n
	}
	return nil
}

var wrongID = rule.Rule{
	ID:       "STUN-15",
	Source:   "RFC 8489 section 5",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "A response repeats the transaction id of its request.",
	Broken:   "A Binding response has a transaction id that no request had",
	Silent: "The first 40 s of a flow, lost datagrams, requests on another flow (STUN-12). Where no request waits it is " +
		"not known who wrote a response that comes in.",
	Check: rule.Check{Beat: unknownID},
}

func unknownID(x *rule.Scene) {
	n := unmatched(x)
	if n == nil || x.Conn.LastMessage() == 0 || x.Conn.Incomplete || x.Now.Sub(x.Conn.First) <= life {
		return
	}
	a := n.askerOf(x)
	if local, _ := askedFrom(x, n.msg.ID); local != "" || a.dropped != 0 && x.Now.Sub(a.dropped) <= life {
		return
	}
	party := x.Writer()
	if open := a.newest(nil); x.Dir == event.In && (open == nil || open.answers > 0 || x.Now.Sub(open.last) > life) {
		party = event.Unknown
	}
	x.Raise(party, "id %x", n.msg.ID)
}

var errorCode = rule.Rule{
	ID:       "STUN-16",
	Source:   "RFC 8489 section 6.3.1.1",
	Severity: rule.Violation,
	Fault:    "server",
	Asks:     "An error response has ERROR-CODE, and with 420 the list of the unknown attributes.",
	Broken:   "A Binding error response lacks what explains the error",
	Silent:   "Responses that were not seen whole, and flows that carry no SIP.",
	Check:    rule.Check{Beat: explains},
}

func explains(x *rule.Scene) {
	n := seen(x, keepalive.StunResponse)
	if n == nil || !n.msg.Error() || !n.msg.Whole {
		return
	}
	const unknownAttribute = 420
	switch {
	case n.msg.Code == 0:
		x.Raise(x.Writer(), "no ERROR-CODE")
	case n.msg.Code == unknownAttribute && !n.msg.Unknown:
		x.Raise(x.Writer(), "ERROR-CODE 420 without UNKNOWN-ATTRIBUTES")
	}
}

var credentials = rule.Rule{
	ID:       "STUN-18",
	Source:   "RFC 5626 section 8",
	Severity: rule.Info,
	Fault:    "client or server",
	Asks:     "Keep-alive requests need no attributes; a server that asks for credentials lets every keep-alive fail.",
	Broken:   "Credentials take part in STUN on a SIP flow",
	Silent:   "SOFTWARE and FINGERPRINT, which do no harm, and flows that carry no SIP.",
	Check:    rule.Check{Beat: login},
}

func login(x *rule.Scene) {
	n := seen(x, keepalive.StunRequest, keepalive.StunResponse)
	switch {
	case n == nil:
	case x.Beat.Kind == keepalive.StunRequest && n.msg.Login:
		x.Raise(x.Writer(), "a Binding request with USERNAME or MESSAGE-INTEGRITY")
	case n.msg.Error() && n.at != nil && !n.at.login && (n.msg.Code == 401 || n.msg.Code == 438):
		x.Raise(x.Writer(), "error %d to a Binding request without credentials", n.msg.Code)
	}
}
