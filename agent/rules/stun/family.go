// SPDX-License-Identifier: Apache-2.0

// Package stun has the rules of RFC 5626 for UDP: STUN keep-alives (RFC 8489).
package stun

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
		Note:  note.STUN,
		Name:  "RFC 5626 and RFC 8489: STUN keep-alives",
		Flows: flows,
		Watch: watch,
		New:   newElsewhere,
		Rules: []rule.Rule{
			sameFlow, unasked, noAnswer, mappedAddress, newAddress, schedule, newID, pace, deadFlow,
			hardError, demux, fromElsewhere, tooMany, otherStun, wrongID, errorCode, everyCopy, credentials,
		},
	}
}
