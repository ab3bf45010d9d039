// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"github.com/viaduct-project/viaduct/agent/keepalive"
	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

var sameFlow = rule.Rule{
	ID:       "STUN-01",
	Source:   "RFC 5626 sections 8, 4.4.2",
	Severity: rule.Info,
	Fault:    "client",
	Asks:     "STUN keep-alives use the addresses and ports of the SIP flow itself.",
	Broken:   "Binding requests go to the SIP neighbour from another port than SIP",
	Silent: "Peers, as a NAT hides whose port it is; requests to other addresses, which may be discovery or media; and " +
		"where the SIP flow has keep-alives of its own. Ports that SIP is not expected at and that never carried any are not watched.",
	Check: rule.Check{Beat: besideFlow},
}

func besideFlow(x *rule.Scene) {
	if x.Beat.Kind != keepalive.StunRequest || x.Dir != event.Out || x.Beat.Again || x.Conn.Stream() || x.Conn.LastMessage() != 0 {
		return
	}
	sip := x.Mine.(*elsewhere).agreed[x.Conn.Remote]
	if sip == nil || sip == x.Conn || sip.Local.Addr() != x.Conn.Local.Addr() || sip.NetNS != x.Conn.NetNS {
		return
	}
	if sip.Owner.PID != 0 && x.Conn.Owner.PID != 0 && sip.Owner.PID != x.Conn.Owner.PID {
		return
	}
	if sip.Alive != nil && sip.Alive.Sent(event.Out).Last > x.Conn.First {
		return
	}
	const habit = 3
	n := note.Of[talk](x.Conn.Notes, note.STUN)
	a := &n.ends[index(event.Out)]
	if a.stray++; a.stray >= habit {
		x.Raise(event.Local, "%d Binding requests from %v to %v, SIP goes from %v", a.stray, x.Conn.Local, x.Conn.Remote, sip.Local)
	}
}

var unasked = rule.Rule{
	ID:       "STUN-02",
	Source:   "RFC 5626 sections 8, 4.4, 4.2.1",
	Severity: rule.Violation,
	Fault:    "sender of the requests",
	Asks:     "No STUN goes to a SIP neighbour that gave no sign of supporting it: outbound in Require, ob on the Path, or a value for keep.",
	Broken:   "Binding requests go to a SIP neighbour that gave no sign of supporting them",
	Silent: "Flows without a REGISTER, whose agreements may be older than the observation. It is advice if the neighbour " +
		"answers: the sender may be configured for it.",
	Scope: rule.PerPeer,
	Check: rule.Check{Beat: withoutSign},
}

func withoutSign(x *rule.Scene) {
	n := seen(x, keepalive.StunRequest)
	if n == nil || n.ends[index(x.Dir)].early || noGround(x) {
		return
	}
	n.ends[index(x.Dir)].early = true
	if x.Dir == event.In {
		x.After(life, judgeIn)
		return
	}
	x.After(life, judgeOut)
}

// noGround says that nothing can be said against STUN from the writer.
func noGround(x *rule.Scene) bool {
	c := x.Conn
	if c.Neg.Supports(x.Dir) || c.Registered.Method == 0 || c.Initiator != x.Writer() || c.MidLife || c.Incomplete {
		return true
	}
	return x.Dir == event.Out && x.Mine.(*elsewhere).agreed[c.Remote] != nil
}

func judgeIn(x *rule.Scene)  { x.Dir = event.In; judgeSign(x) }
func judgeOut(x *rule.Scene) { x.Dir = event.Out; judgeSign(x) }

// judgeSign waits for the answers, to the request and perhaps to the REGISTER
// before it.
func judgeSign(x *rule.Scene) {
	a := &note.Of[talk](x.Conn.Notes, note.STUN).ends[index(x.Dir)]
	a.early = false
	if noGround(x) {
		return
	}
	for i := range a.txs {
		if a.txs[i].answers > 0 {
			x.RaiseAs(rule.Advice, x.Writer(), "a Binding request from %v to %v, answered", x.Conn.Address(x.Writer()), x.Conn.Address(x.Reader()))
			return
		}
	}
	x.Raise(x.Writer(), "a Binding request from %v to %v, not answered", x.Conn.Address(x.Writer()), x.Conn.Address(x.Reader()))
}

var demux = rule.Rule{
	ID:     "STUN-11",
	Source: "RFC 8489 sections 5, 6.3, RFC 5626 sections 8, 8.1",
	Fault:  "nobody",
	Asks:   "STUN is told from SIP by its first two bits, the magic cookie and its length.",
	Silent: "Always: it says which datagrams are STUN. Requests of RFC 3489, without the cookie, are none.",

	Standing: rule.Recognised,
}

var hardError = rule.Rule{
	ID:     "STUN-10",
	Source: "RFC 8489 section 6.2.1",
	Fault:  "client",
	Asks:   "A hard ICMP error fails the STUN transaction at once.",
	Silent: "Always: ICMP errors are not seen here, neither on the wire nor as the socket's error.",

	Standing: rule.Unseen,
}

var otherStun = rule.Rule{
	ID:       "STUN-14",
	Source:   "RFC 5626 section 8, RFC 8489 section 6.3.2",
	Severity: rule.Info,
	Fault:    "client",
	Asks:     "The SIP usage of STUN has Binding requests and responses only; an indication gets no answer and finds no failed flow.",
	Broken:   "STUN that is no Binding request or response goes over a SIP flow",
	Silent:   "Flows that carry no SIP. Indications count as keep-alives where a gap is judged.",
	Check:    rule.Check{Beat: otherMethod},
}

func otherMethod(x *rule.Scene) {
	n := seen(x, keepalive.StunOther)
	const response = 0x0100 // the class bit that both kinds of response have
	if n != nil && n.msg.Type&response == 0 {
		x.Raise(x.Writer(), "STUN type 0x%04x", n.msg.Type)
	}
}
