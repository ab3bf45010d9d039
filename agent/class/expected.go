// SPDX-License-Identifier: Apache-2.0

package class

import (
	"fmt"

	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Expected is the class that the connection should have by what its neighbours
// negotiated, and why: by default that of RFC 3261 section 18, where each side
// opens its own connection. Undetermined means that it is not known.
func Expected(e *Evidence) (Class, string) {
	n := e.Negotiated
	switch {
	case e.Failed || e.Messages == 0:
		return Undetermined, ""
	case n != nil && n.Persistent.By != 0 && e.originator(n.Persistent.By):
		return e.promised()
	case e.outbound():
		return Persistent, e.outboundBecause()
	case e.dialogFlow():
		return Persistent, fmt.Sprintf("%s has ob in its Contact URI and formed a dialog", n.Outbound.DialogFrom)
	case e.aliased():
		return Bidirectional, fmt.Sprintf("alias offered in Via of %s", n.Alias.From)
	case e.Registered.Method == sipparse.MethodRegister && e.Transport == event.TLS:
		return Bidirectional, fmt.Sprintf("%s over TLS (RFC 3261 section 26.3.2.1)", e.Registered)
	case e.MidLife:
		return Undetermined, ""
	}
	return Unidirectional, "" // what is observed against it says that it is unagreed
}

// promised is what an offer of the originator leads to: the other side may
// decline it, or ask for another time first.
func (e *Evidence) promised() (Class, string) {
	p := &e.Negotiated.Persistent
	outcome := p.Outcome(e.End, e.ByOther)
	why := fmt.Sprintf("%s of %s offers persistent: %s", offerPlace(&p.Offer), p.Offer.Label, outcome)
	switch outcome {
	case negotiate.Declined:
		return Unidirectional, why
	case negotiate.Countered:
		return Undetermined, ""
	}
	return Persistent, why
}
