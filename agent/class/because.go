// SPDX-License-Identifier: Apache-2.0

package class

import (
	"fmt"

	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Because gives the reasons for the class, most telling first, each quoting
// the message that shows it.
func Because(e *Evidence) []string {
	if e.Failed {
		return []string{"never established"}
	}
	if e.Messages == 0 {
		return e.silent()
	}
	var why []string
	c := Of(e)
	switch {
	case c == Persistent && e.persistent():
		why = append(why, e.persistentBecause()...)
	case c == Persistent && e.outbound():
		why = append(why, e.outboundBecause())
	case c == Persistent:
		o := &e.Negotiated.Outbound
		why = append(why, fmt.Sprintf("%s of %s has ob in its Contact URI and formed a dialog", o.DialogFrom, e.name(sideOf(o.DialogBy))))
	}
	why = append(why, e.direction())
	if c == Bidirectional {
		why = append(why, e.ground())
	}
	if c == Undetermined {
		why = append(why, "older than the observation: earlier requests and offers are not known")
	}
	if offer := e.unproven(); offer != "" && c != Persistent {
		why = append(why, offer)
	}
	if e.Outlived {
		why = append(why, fmt.Sprintf("used again after a dialog on it had ended (%d ended)", e.Dialogs))
	}
	return why
}

func (e *Evidence) silent() []string {
	why := []string{"no complete SIP message"}
	if e.Transport == event.TLS {
		why[0] = "TLS: messages are not visible"
	}
	if e.Keepalives > 0 {
		why = append(why, fmt.Sprintf("%d keep-alives", e.Keepalives))
	}
	if e.MidLife {
		why = append(why, "older than the observation")
	}
	return why
}

func (e *Evidence) persistentBecause() []string {
	p := &e.Negotiated.Persistent
	offer := fmt.Sprintf("%s of %s offers persistent", offerPlace(&p.Offer), p.Offer.Label)
	if p.LaterAt != 0 {
		return []string{fmt.Sprintf("%s; %s used the connection %s later", offer, p.Later, seconds(p.LaterAt.Sub(p.At)))}
	}
	return []string{fmt.Sprintf("%s; it stood for %s after the transaction", offer, seconds(e.End.Sub(p.Ended)))}
}

func offerPlace(o *negotiate.Offer) string {
	switch {
	case o.PTCP:
		return "transport PTCP in Via"
	case o.ViaFlag:
		return "Via"
	case o.Required:
		return "Require"
	case o.ProxyReq:
		return "Proxy-Require"
	}
	return "Supported"
}

func (e *Evidence) outboundBecause() string {
	o := &e.Negotiated.Outbound
	answer := "Require: outbound"
	if o.ByPath {
		answer = "ob on its Path"
	}
	return fmt.Sprintf("%s with reg-id and +sip.instance was answered with %s", o.From, answer)
}

// direction says who sends requests.
func (e *Evidence) direction() string {
	s, r := e.Sent.N, e.Received.N
	local, remote := e.name(event.Local), e.name(event.Remote)
	switch {
	case s == 0 && r == 0:
		return "no new request seen"
	case r == 0:
		return fmt.Sprintf("requests only sent by %s (%d of %d)", local, s, s)
	case s == 0:
		return fmt.Sprintf("requests only sent by %s (%d of %d)", remote, r, r)
	}
	return fmt.Sprintf("requests sent by both sides (%s %d, %s %d)", local, s, remote, r)
}

// ground says what the way back stands on.
func (e *Evidence) ground() string {
	_, back := e.sides()
	n := e.Negotiated
	switch {
	case e.aliased() && n.Alias.Used:
		return fmt.Sprintf("alias offered in Via of %s and used by %s", n.Alias.From, n.Alias.Back)
	case e.aliased():
		return fmt.Sprintf("alias offered in Via of %s, not used so far", n.Alias.From)
	case e.Registered.Method == sipparse.MethodRegister && e.Transport == event.TLS:
		return fmt.Sprintf("%s came back after %s, by registration (RFC 3261 section 26.3.2.1)", back.First, e.Registered)
	case e.Registered.Method == sipparse.MethodRegister:
		return fmt.Sprintf("%s came back after %s, unagreed: no outbound", back.First, e.Registered)
	case e.Initiator == event.Unknown:
		return fmt.Sprintf("%s by %s and %s by %s; who opened the connection is not known",
			e.Sent.First, e.name(event.Local), e.Received.First, e.name(event.Remote))
	case n != nil && n.Alias.By != 0 && n.Alias.Used:
		return fmt.Sprintf("%s came back, unagreed: alias in Via of %s has no meaning without TLS", back.First, n.Alias.From)
	case back.InDialog:
		return fmt.Sprintf("%s came back within a dialog, unagreed", back.First)
	}
	return fmt.Sprintf("%s came back, unagreed", back.First)
}

// unproven names an offer that did not decide the class.
func (e *Evidence) unproven() string {
	n := e.Negotiated
	if n == nil {
		return ""
	}
	if p := &n.Persistent; p.By != 0 {
		if !e.originator(p.By) {
			return fmt.Sprintf("%s of %s offers persistent, but its sender did not open the connection", offerPlace(&p.Offer), p.Offer.Label)
		}
		return fmt.Sprintf("%s of %s offers persistent: %s", offerPlace(&p.Offer), p.Offer.Label, p.Outcome(e.End, e.ByOther))
	}
	if o := &n.Outbound; o.By != 0 && !o.Agreed {
		return fmt.Sprintf("%s asks for outbound, not agreed", o.From)
	}
	return ""
}
