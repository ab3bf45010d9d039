// SPDX-License-Identifier: Apache-2.0

// Package keep has the rules of RFC 6223: negotiating keep-alives by the Via
// parameter keep. What was negotiated is in package negotiate.
package keep

import (
	"embed"

	"github.com/viaduct-project/viaduct/agent/note"
	"github.com/viaduct-project/viaduct/agent/rule"
)

//go:embed flows
var flows embed.FS

// Family returns the rules.
func Family() rule.Family {
	return rule.Family{
		Note:  note.Keep,
		Name:  "RFC 6223: keep",
		Flows: flows,
		Watch: rule.Check{Only: rule.Negotiated, Request: watchRequest, Response: watchResponse, Beat: watchBeat},
		Rules: []rule.Rule{
			valuedOffer, malformed, wrongRequest, onAck, ignored, topmostOnly,
			neverSent, leftBehind, tooSeldom, notSpread,
			unequalTimer, noFrequency, notAccepted, unasked, onlyLoose, differing, lateAcceptance, oneSuffices,
			repeated, renegotiated, stopped, afterDialog, notRenewed,
			valueForwarded, valuePassedOn, valueBelow, offerOffRoute, acceptOffRoute,
			otherWay, afterFailure, unanswered, silence, reversed, shortRegistration, hurried,
		},
	}
}
