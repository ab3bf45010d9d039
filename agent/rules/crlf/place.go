// SPDX-License-Identifier: Apache-2.0

package crlf

import (
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/sipparse"
)

var overUDP = rule.Rule{
	ID:       "KA-05",
	Source:   "RFC 5626 section 4.4.1",
	Severity: rule.Violation,
	Fault:    "sender",
	Asks:     "CRLF keep-alives are for streams; on UDP the keep-alive is a STUN Binding request.",
	Broken:   "A UDP datagram of nothing but CRLF serves as keep-alive",
	Silent: "Datagrams of NULs and other vendors' fillers. It is advice for a sender that negotiated neither outbound " +
		"nor keep.",
	Scope: rule.PerPeer,
	Check: rule.Check{Beat: datagram},
}

func datagram(x *rule.Scene) {
	if x.Beat.Kind != keepalive.Datagram || len(x.Beat.Raw) == 0 {
		return
	}
	for _, c := range x.Beat.Raw {
		if c != '\r' && c != '\n' {
			return
		}
	}
	s := rule.Advice
	if b := x.Conn.Neg.Beats(x.Dir, x.Now); b.Agreed() {
		s = rule.Violation
	}
	x.RaiseAs(s, x.Writer(), "datagram %q", x.Beat.Raw)
}

var stunOnStream = rule.Rule{
	ID:       "KA-11",
	Source:   "RFC 5626 section 4.4.2",
	Severity: rule.Violation,
	Fault:    "client",
	Asks:     "STUN keep-alives are for UDP; on a stream the keep-alive is a double CRLF.",
	Broken:   "A STUN message stands between the SIP messages of a stream",
	Silent:   "Responses, as the request is at fault, and connections that carried no SIP: ICE uses TCP too.",
	Check:    rule.Check{Beat: onStream},
}

func onStream(x *rule.Scene) {
	switch x.Beat.Kind {
	case keepalive.StunRequest, keepalive.StunOther:
		if x.Conn.Stream() && x.Conn.LastMessage() != 0 {
			x.Raise(x.Writer(), "STUN of type 0x%x on a stream", x.Beat.Raw[:2])
		}
	}
}

var insideMessage = rule.Rule{
	ID:       "KA-06",
	Source:   "RFC 5626 sections 4.4.1, 5.4",
	Severity: rule.Info,
	Fault:    "sender",
	Asks:     "Pings and pongs go between SIP messages, never inside one.",
	Broken:   "A keep-alive was written into the middle of a message",
	Silent: "Unless the CRLFs came in a segment of their own inside a message and what follows cannot be read: it names " +
		"the cause of the damage that the framing rules report.",
	Check: rule.Check{Defect: wedged},
}

func wedged(x *rule.Scene) {
	if x.Inside == 0 || x.Item.Kind != sipparse.ItemDefect || x.Item.Offset < x.Inside {
		return
	}
	x.Raise(x.Writer(), "CRLF CRLF in a segment of its own, %d bytes before what cannot be read", x.Item.Offset-x.Inside)
}
